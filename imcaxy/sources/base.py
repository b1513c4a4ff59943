"""The port to originals."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LogPosition


class Validators(NamedTuple):
    """By what an origin tells whether a source is still the same (RFC 9110 §8.8)."""

    etag: str = ""  # as it was sent; empty when it was not
    modified: str = ""  # Last-Modified, the same


UNKNOWN = Validators()


@dataclass(frozen=True, slots=True)
class Original:
    """An original's bytes and what its header says; within every limit, not yet decoded."""

    source: Source
    body: bytes = field(repr=False)
    format: str  # jpeg png webp gif avif heif tiff, by magic bytes
    width: int  # pixels, as stored (before orientation)
    height: int  # pixels, as stored
    frames: int
    digest: str  # SHA-256 of body, hex
    as_of: LogPosition  # the log position read before the first request to the origin
    validators: Validators = UNKNOWN
    pixel: int = 4  # bytes of a decoded pixel, at most
    held: int = 0  # bytes of the whole picture that a decoder needs before its first row


Admit = Callable[[int], Awaitable[None]]  # waits until that many bytes may be held in memory
Note = Callable[[Validators], None]


class SourceReader(Protocol):
    """Reads one source's bytes from where it lives."""

    async def read(self, source: Source, admit: Admit, note: Note | None = None) -> bytes:
        """The whole body, bounded in bytes and in time.

        `note` is told, before the body is read, by what it can be known again.

        `admit` is awaited once, before the body is read, with the most bytes that it can have: the
        announced length, or the reader's own bound where none is announced. The time that it takes
        does not count towards the reader's deadline.

        Raises SourceError, and what `admit` raises. A body that ends before its announced length is
        SourceFailed: what is returned is always whole. Cancelling it closes whatever it had open.
        """
        ...

    async def close(self) -> None:
        """Release connections; nothing may be read afterwards."""
        ...
