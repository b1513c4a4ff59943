"""A kept variant, as a response reads it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal

from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing
from imcaxy.grammar.variant import CHUNK, Head
from imcaxy.store.blobs.base import Blobs, BlobTier, OpenBlob
from imcaxy.store.catalog.base import Entry

Tier = Literal["memory"] | BlobTier


class Kept:
    """A Variant that is whole: its bytes are in memory, or read from the blob store.

    `tier` is where the request found it; `body` its bytes when they are in memory.
    """

    __slots__ = ("body", "entry", "tier")

    whole = True

    def __init__(self, entry: Entry, tier: Tier, body: bytes | None) -> None:
        self.entry = entry
        self.tier: Tier = tier
        self.body = body

    @property
    def head(self) -> Head:
        """What is known before the first byte; the length is never None."""
        return self.entry.head

    @property
    def available(self) -> int:
        """Every byte."""
        return self.entry.sum.length

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes | memoryview]:
        """Bytes `start` up to `stop` in pieces of at most CHUNK bytes; never fails in memory."""
        if self.body is None:
            raise BlobError("The picture's bytes are not in memory.", value=self.entry.blob)
        view = memoryview(self.body)[start:stop]
        for offset in range(0, len(view), CHUNK):
            yield view[offset : offset + CHUNK]


class KeptInStore(Kept):
    """A Kept whose bytes stay in the blob store, verified while they are read.

    `read` raises BlobError when the store fails, takes longer than `timeout` seconds for a piece,
    or gives a damaged blob, which is then told to `damaged`.
    """

    __slots__ = ("_blobs", "_damaged", "_held", "_timeout")

    def __init__(
        self,
        entry: Entry,
        blobs: Blobs,
        timeout: float,
        damaged: Callable[[Entry], None],
        held: OpenBlob | None = None,
    ) -> None:
        """Of a blob that is `held`, every byte can be read even when it is deleted meanwhile."""
        super().__init__(entry, blobs.tier, None)
        self._blobs = blobs
        self._timeout = timeout
        self._damaged = damaged
        self._held = held

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes | memoryview]:
        """Bytes `start` up to `stop` in pieces of at most CHUNK bytes."""
        pieces = self._blobs.read(self.entry.blob, self.entry.sum, start, stop, held=self._held)
        try:
            while (piece := await self._next(pieces)) is not None:
                yield piece
        except (BlobMissing, BlobCorrupt):
            self._damaged(self.entry)
            raise
        finally:
            await close(pieces)

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise BlobError("The blob store did not answer in time.") from error


class KeptInFile(Kept):
    """A Kept whose bytes are in a file that was verified and is open.

    What the kernel has in memory is given at once; for the rest `otherwise` waits for the disk.
    `read` raises BlobCorrupt when the file has been changed since it was verified.
    """

    __slots__ = ("_otherwise", "blob")

    def __init__(self, entry: Entry, blob: OpenBlob, otherwise: KeptInStore) -> None:
        super().__init__(entry, otherwise.tier, None)
        self.blob = blob
        self._otherwise = otherwise

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes | memoryview]:
        """Bytes `start` up to `stop` in pieces of at most CHUNK bytes."""
        end = self.available if stop is None else min(stop, self.available)
        for offset in range(start, end, CHUNK):
            piece = self.blob.read_now(offset, min(offset + CHUNK, end))
            if piece is not None:
                yield memoryview(piece)
                continue
            if self.blob.changed and offset > start:
                raise BlobCorrupt("A kept picture was changed while it was read.")
            rest = self._otherwise.read(offset, end)
            try:
                async for more in rest:
                    yield more
            finally:
                await close(rest)
            return


async def close(pieces: AsyncIterator[bytes] | AsyncIterator[bytes | memoryview]) -> None:
    """End an iteration early; an asynchronous generator releases what it holds."""
    ending = getattr(pieces, "aclose", None)
    if ending is not None:
        await ending()
