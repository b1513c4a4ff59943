"""The port to a blob store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

BlobTier = Literal["disk", "bucket"]


@dataclass(frozen=True, slots=True)
class BlobSum:
    """What a blob's bytes must be."""

    length: int  # bytes
    digest: str  # SHA-256, hex


class OpenBlob(Protocol):
    """A blob whose bytes can be read, deleted or not; released when nobody refers to it."""

    @property
    def stale(self) -> bool:
        """Whether it is known to be changed or deleted."""
        ...

    @property
    def changed(self) -> bool:
        """Whether its bytes are known to be others than when it was opened."""
        ...

    @property
    def descriptor(self) -> int:
        """A file descriptor, open for reading."""
        ...

    def is_resident(self, start: int, stop: int) -> bool:
        """Whether these bytes can be read without waiting, as far as it can be known.

        Raises BlobCorrupt when the blob was changed.
        """
        ...

    def is_ready(self, now: float) -> bool:
        """Whether it is unchanged, and all of it can be sent without waiting, as far as is known.

        What was so within a second of `now` (seconds of Clock.now) is taken to be so still.
        """
        ...

    def unchanged(self) -> bool:
        """Whether it is neither changed nor deleted; looks."""
        ...

    def read_now(self, start: int, stop: int) -> bytearray | None:
        """These bytes, if that needs no waiting and the blob was not changed."""
        ...


class Blobs(Protocol):
    """Immutable bytes under names that are used once.

    Adapters translate their library's exceptions into BlobError.
    """

    @property
    def id(self) -> str:
        """A name for this very store, the same after a restart; the catalog remembers it."""
        ...

    @property
    def tier(self) -> BlobTier:
        """What answers call it in Cache-Status."""
        ...

    async def start(self) -> None:
        """Open the store, creating it when it is not there."""
        ...

    async def put(self, name: str, chunks: AsyncIterator[bytes | memoryview]) -> BlobSum:
        """Keep all chunks under `name`, durably, before returning; what was kept is described.

        Nothing is visible under `name` before the last byte is safe, and nothing is left when
        `chunks` raises, when the store fails or when the caller is cancelled.
        """
        ...

    def read(
        self,
        name: str,
        expected: BlobSum,
        start: int = 0,
        stop: int | None = None,
        *,
        held: OpenBlob | None = None,
    ) -> AsyncIterator[bytes]:
        """Bytes `start` up to `stop` in pieces of at most CHUNK bytes.

        Of `held` where it was opened before, then also of a blob that was deleted since.

        A blob that is absent raises BlobMissing, one whose length differs from `expected`
        BlobCorrupt, both before the first byte. When the whole is read its digest is compared
        before the last piece is given: a reader never sees a damaged blob end normally.
        """
        ...

    async def load(self, name: str, expected: BlobSum) -> bytes:
        """The whole blob, length and digest verified; BlobMissing, BlobCorrupt."""
        ...

    async def load_open(self, name: str, expected: BlobSum) -> tuple[bytes, OpenBlob | None]:
        """What `load` gives, and the blob left open; None from a store that cannot."""
        ...

    async def hold(self, name: str, expected: BlobSum) -> OpenBlob | None:
        """The blob left open, its length compared; None from a store that cannot.

        Raises BlobMissing, BlobCorrupt.
        """
        ...

    async def delete(self, name: str) -> None:
        """Remove the blob; one that is not there is no error. Who holds it open reads on."""
        ...

    async def remove_unfinished(self) -> int:
        """Remove what dead writers left unfinished; how many there were, as far as it is known."""
        ...

    async def check(self) -> str:
        """One line that says what was found, after a real write, read and delete; BlobError."""
        ...

    async def close(self) -> None:
        """Release what is open."""
        ...
