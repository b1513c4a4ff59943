"""How much this process may still write before the disk limit is reached."""

from collections.abc import Iterator
from contextlib import contextmanager

from imcaxy.errors import StoreFull
from imcaxy.store.catalog.base import Usage
from imcaxy.store.eviction import Marks, footprint, marks_within, taken


class DiskRoom:
    """A share of what is left below the limit, known since the last reading of the catalog.

    Between two readings each process may use its share, so that together they stay below the
    limit. `pressed` says that eviction, or another reading, is due.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.marks = Marks(limit)  # of less, where the catalog's file or the disk leaves less
        self.pressed = False
        self._left: int | None = None  # bytes; None before the first reading: nothing is refused
        self._alarm = 0  # `pressed` is set when less is left
        self._unrecorded = 0  # bytes of blobs being written, which no reading can show yet
        self.recorded = 0  # bytes of all blobs that were written so far, or given up

    @property
    def left(self) -> int | None:
        """Bytes that may still be written; None before the first reading."""
        return self._left

    def learn(
        self, usage: Usage, sharers: int, free: int | None = None, *, since: int | None = None
    ) -> None:
        """Take in a reading: the catalog's, how many processes share what is left, and the bytes
        `free` in the file system (None: enough).

        `since` is what `recorded` was before the reading: what came after may not be in it.
        """
        used = taken(usage)
        self.marks = marks_within(self._limit, usage, free)
        above = self.marks.limit - used.total
        share = above // sharers
        meanwhile = 0 if since is None else self.recorded - since
        self._left = share - self._unrecorded - meanwhile
        # Half of the way to the high mark: the others may be as fast. Above it, half of the rest.
        self._alarm = share - max(0, self.marks.high - used.total) // sharers // 2
        if used.total > self.marks.high:
            self._alarm = share // 2
        self.pressed = above <= 0 or used.total > self.marks.high

    @contextmanager
    def writing(self) -> "Iterator[Writing]":
        """Around the writing of one blob and its entry; StoreFull when there is no room at all."""
        if self._left is not None and self._left <= 0:
            self.pressed = True
            raise _full()
        writing = Writing(self)
        try:
            writing.add(footprint(0))
            yield writing
        finally:
            self._unrecorded -= writing.size  # it is in the catalog, or was given up
            self.recorded += writing.size

    def use(self, size: int) -> None:
        """Take so many bytes; StoreFull when that is more than there is."""
        self._unrecorded += size
        if self._left is None:
            return
        self._left -= size
        if self._left < self._alarm:
            self.pressed = True
        if self._left < 0:
            raise _full()


class Writing:
    """What one blob has taken of the room: `size` bytes."""

    def __init__(self, room: DiskRoom) -> None:
        self._room = room
        self.size = 0

    def add(self, size: int) -> None:
        """Take so many bytes more; StoreFull when that is more than there is."""
        self.size += size
        self._room.use(size)


def _full() -> StoreFull:
    return StoreFull("The limit of the disk (IMCAXY_DISK_LIMIT) is reached.")
