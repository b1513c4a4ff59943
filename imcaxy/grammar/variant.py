"""What is known of a picture before its bytes, and where in the log it stands."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

CHUNK = 64 * 1024  # bytes; the largest piece that is handed to a socket or a file at once


class LogPosition(NamedTuple):
    """A place in the log of invalidations: its number, and the request that wrote that record.

    The pair tells a restored backup's number from the one that was seen (design 6.2).
    """

    number: int
    request: str


LOG_START = LogPosition(0, "")


@dataclass(frozen=True, slots=True)
class Head:
    """What a response needs before the first byte of a picture."""

    media_type: str
    length: int | None  # bytes; None while the producer has not said
    etag: str  # strong entity tag, quoted
    made_at: float  # seconds since 1970 UTC, when the picture was made: Date and Last-Modified


class Variant(Protocol):
    """A picture's bytes, kept or still being made; any number of readers, each from any offset."""

    @property
    def head(self) -> Head:
        """What is known before the first byte; `length` may still be None."""
        ...

    @property
    def available(self) -> int:
        """Bytes that can be read without waiting for the producer."""
        ...

    @property
    def whole(self) -> bool:
        """Whether every byte is there."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes | memoryview]:
        """Bytes `start` up to `stop` (the end when None) in pieces of at most CHUNK bytes.

        Ends normally only when every byte asked for has been given: a producer or a store that
        fails raises ImcaxyError instead.
        """
        ...
