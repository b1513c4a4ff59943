"""Disk space that is held back, so that an invalidation can be recorded on a full disk."""

import errno
import os
from contextlib import suppress
from pathlib import Path

BYTES = 32 * 1024 * 1024  # more than one record of 5,000 keys makes SQLite's log grow
_PART = 32  # and at most this part of the file system


class Reserve:
    """A file that only takes space, and is given up when vital writes need it.

    Processes share it: any of them may give it up, and any of them fills it again. Blocking.
    """

    def __init__(self, path: Path, size: int = BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        """Whether it is there: then whoever writes what is not vital leaves it alone."""
        return self._path.exists()

    def fill(self) -> bool:
        """Hold it back, if it is not, and there is twice as much; whether it is held."""
        if self.held:
            return True
        found = os.statvfs(self._path.parent)
        size = min(self._size, found.f_blocks * found.f_frsize // _PART)
        if found.f_bavail * found.f_frsize < 2 * size:
            return False
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._write(temporary, size)
            temporary.rename(self._path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        return True

    def release(self) -> bool:
        """Give it up; whether it was there."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _write(self, path: Path, size: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if size:
                os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
