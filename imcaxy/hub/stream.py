"""One job's output while it is made: an append-only list of pieces and a cursor per reader.

The producer never waits for a reader, and no reader for another: back-pressure is the reader's own
`await` on its own socket. A reader that finds nothing new waits for the event of the moment; the
check and the wait are one step of the event loop, so that no wake-up can be lost:

    1. the reader finds no piece at its position          | no `await` between 1 and 2
    2. the reader waits on the current event              |
    3. the producer appends, sets that event and puts a new one in its place

A stream ends in one of four ways: whole; failed before its head; failed after it; or moved, when
the same bytes can be read from the store. Moving frees the pieces: a reader that is slow goes on
from the kept variant at the byte where it stands. A stream that is not moved frees its pieces when
the last reader has let go of it.

A stream that an invalidation has hit is detached: who has its head reads on, who waits for the head
is told to look elsewhere, and nobody finds it any more.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator
from dataclasses import replace

from imcaxy.errors import ImcaxyError, InternalError, Overloaded, VariantTooLarge
from imcaxy.grammar.variant import CHUNK, Head, LogPosition, Variant
from imcaxy.hub.budget import Budget, Holding


class Detached(Exception):
    """The stream was hit by an invalidation before it had a head; a new job is needed."""


class Stream:
    """A variant that is being made; satisfies `Variant` once `started` has returned."""

    def __init__(self, budget: Budget, limit: int, keys: tuple[str, ...] = ()) -> None:
        """Count pieces against `budget`; a picture of more than `limit` bytes fails.

        `keys` are the purge keys of its sources.
        """
        self.keys = keys
        # What its bytes are at least as new as; None while no source was asked for any.
        self.as_of: LogPosition | None = None
        self.detached = False  # whether an invalidation has hit it
        self._holding = Holding(budget)
        self._limit = limit
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._ends: list[int] = []  # offset behind each piece
        self._size = 0
        self._taken = 0  # bytes that were counted: those that are there, or were announced
        self._whole = False
        self._error: ImcaxyError | None = None
        self._moved: Variant | None = None
        self._retired = False
        self._changed = asyncio.Event()
        self._readers = 0
        self._waiting = 0
        self.keeping = False  # whether the bytes are on their way to the store

    # What the producer does.

    def begin(self, head: Head, as_of: LogPosition, *, keeping: bool) -> None:
        """Let readers have the head; pieces may follow.

        Raises as `append` does when so many bytes as the head announces have no room: nobody is
        given a first byte then.
        """
        self._take(head.length or 0)
        self._head = head
        self.as_of = as_of
        self.keeping = keeping
        self._wake()

    def append(self, data: bytes) -> None:
        """Let readers have these bytes, cut into pieces of at most CHUNK bytes.

        Raises VariantTooLarge past the stream's limit and Overloaded past that of all streams;
        the producer then fails the stream.
        """
        self._take(self._size + len(data))
        for start in range(0, len(data), CHUNK):
            piece = data if len(data) <= CHUNK else data[start : start + CHUNK]
            self._size += len(piece)
            self._pieces.append(piece)
            self._ends.append(self._size)
        self._wake()

    def _take(self, size: int) -> None:
        """Count all bytes up to this size."""
        if size > self._limit:
            raise VariantTooLarge(accepted=f"at most {self._limit} bytes")
        if size > self._taken:
            if not self._holding.take(size - self._taken):
                raise Overloaded(retry_after=1.0)
            self._taken = size

    def finish(self) -> None:
        """Declare the picture whole; InternalError when it is not what its head announced."""
        head = self.head
        if self._size == 0 or (head.length is not None and head.length != self._size):
            message = f"{self._size} bytes of {head.length} announced"
            raise InternalError(message)
        self._head = replace(head, length=self._size)
        self._whole = True
        self._wake()

    def fail(self, error: ImcaxyError) -> None:
        """End the stream: readers get what is there, then the error; never a normal end."""
        if not self._whole and self._moved is None and self._error is None:
            self._error = error.again()  # without the traceback, which holds on to this stream
            self._wake()

    def move(self, variant: Variant, as_of: LogPosition) -> None:
        """Send every reader on to `variant`, which has the same bytes, and free these."""
        self._moved = variant
        self.as_of = as_of
        self._pieces, self._ends = [], []
        self._holding.release()
        self._wake()

    def detach(self) -> None:
        """Let nobody begin to read it any more; the hub has let go of it."""
        self.detached = True
        self._wake()

    def retire(self) -> None:
        """Free the pieces of a failed stream with its last reader; the hub has let go of it."""
        self._retired = True
        self._free_failed()

    # What readers do.

    @property
    def head(self) -> Head:
        """What is known before the first byte."""
        if self._moved is not None:
            return self._moved.head
        if self._head is None:
            message = "the head of a stream was read before it had begun"
            raise InternalError(message)
        return self._head

    @property
    def available(self) -> int:
        """Bytes that can be read without waiting for the producer."""
        return self._moved.available if self._moved is not None else self._size

    @property
    def whole(self) -> bool:
        """Whether every byte is there."""
        return self._whole or self._moved is not None

    @property
    def moved(self) -> bool:
        """Whether the bytes are read from the store."""
        return self._moved is not None

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it or reads it."""
        return not self._waiting and not self._readers

    async def started(self) -> None:
        """Return when the head is known; raise the failure when there is one already.

        Raises Detached when an invalidation came first.
        """
        self._waiting += 1
        try:
            while self._head is None and self._error is None and self._moved is None:
                if self.detached:
                    raise Detached
                await self._changed.wait()
        finally:
            self._waiting -= 1
        if self.detached:
            raise Detached
        if self._error is not None:
            raise self._error.again()

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes | memoryview, None]:
        """Bytes `start` up to `stop`, as they come; ends normally only when all were given."""
        position = start
        self._readers += 1
        try:
            while (stop is None or position < stop) and self._moved is None:
                piece = self._piece(position, stop)
                if piece:
                    position += len(piece)
                    yield piece
                elif self._error is not None:
                    raise self._error.again()
                elif self._whole:
                    return
                else:
                    await self._changed.wait()
        finally:
            self._readers -= 1
            self._free_failed()
        if self._moved is not None and (stop is None or position < stop):
            async for piece in self._moved.read(position, stop):
                yield piece

    def _piece(self, position: int, stop: int | None) -> bytes | memoryview | None:
        if position >= self._size:
            return None
        index = bisect_right(self._ends, position)
        piece = self._pieces[index]
        offset = position - (self._ends[index] - len(piece))
        end = len(piece) if stop is None else min(len(piece), offset + stop - position)
        return piece if not offset and end == len(piece) else memoryview(piece)[offset:end]

    def _free_failed(self) -> None:
        if self._retired and self._error is not None and not self._readers:
            self._pieces, self._ends, self._size = [], [], 0
            self._holding.release()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
