"""A blob's file that stays open: what was verified once is read again without waiting for a disk.

A file that was written since, or has lost bytes, is never read again (its time of change and its
length are compared at every read). One that was deleted is whole while it is open: who reads it
goes on, and nobody begins. What rots on the disk itself without a write is found by the scrub, and
by whoever opens the file anew (docs/decisions/disk-hits.md).
"""

import os
from collections.abc import Callable

from imcaxy.errors import BlobCorrupt

_PROBE = (bytearray(1),)  # what is read into it is of no interest
_SAMPLE = 128 * 1024  # bytes: what kernels read ahead at a time
_STAYS = 1.0  # seconds that what was read lately is taken to stay in the kernel's memory


class OpenFile:
    """The descriptor of a verified blob, closed when nobody refers to it any more.

    `close` gets the descriptor then: to close a deleted file may take the disk's time.
    """

    __slots__ = ("_close", "_there_until", "_written", "changed", "descriptor", "length", "stale")

    def __init__(self, descriptor: int, close: Callable[[int], object]) -> None:
        """Make it before the bytes are verified: what is written while they are counts too."""
        self._close = close
        self.descriptor = descriptor
        found = os.fstat(descriptor)
        self._written = found.st_mtime_ns
        self._there_until = -1.0  # on the caller's clock
        self.length = found.st_size  # bytes
        self.changed = False  # whether its bytes are known to be no more what they were
        self.stale = False  # whether it is known to be changed or deleted

    def __del__(self) -> None:
        self._close(self.descriptor)

    def unchanged(self) -> bool:
        """Whether it is still what was verified, and still has a name."""
        self._look()
        return not self.stale

    def _look(self) -> None:
        found = os.fstat(self.descriptor)
        if found.st_mtime_ns != self._written or found.st_size != self.length:
            self.changed = True
        if self.changed or not found.st_nlink:
            self.stale = True

    def is_ready(self, now: float) -> bool:
        """Whether the kernel can send all of it at once, as far as it can be known.

        Looks each time whether it is unchanged, but once a second at most (of `now`, seconds)
        whether it is in the kernel's memory.
        """
        if not self.unchanged():
            return False
        if now < self._there_until:
            return True
        there = self._is_there(0, self.length)
        if there:
            self._there_until = now + _STAYS
        return there

    def is_resident(self, start: int, stop: int) -> bool:
        """Whether these bytes seem to be in the kernel's memory: the last of each _SAMPLE is.

        Raises BlobCorrupt when the file is not what was verified.
        """
        self._look()
        if self.changed:
            raise BlobCorrupt("A kept picture was changed while it was read.")
        return self._is_there(start, stop)

    def _is_there(self, start: int, stop: int) -> bool:
        try:
            while start < stop:
                start = min(start + _SAMPLE, stop)
                if os.preadv(self.descriptor, _PROBE, start - 1, os.RWF_NOWAIT) != 1:
                    return False
        except OSError:
            return False
        return True

    def read_now(self, start: int, stop: int) -> bytearray | None:
        """These bytes if the kernel has them in memory; None when a disk would be waited for.

        None, too, when the file is not what was verified.
        """
        self._look()
        if self.changed:
            return None
        piece = bytearray(stop - start)
        try:
            count = os.preadv(self.descriptor, [piece], start, os.RWF_NOWAIT)
        except OSError:  # EAGAIN, or a file system that cannot say
            return None
        return piece if count == len(piece) else None
