"""A file that has no name until all its bytes are on the disk."""

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from imcaxy.store.blobs.base import BlobSum

_FLAGS = os.O_RDWR | os.O_CLOEXEC
_NAMELESS = getattr(os, "O_TMPFILE", 0)  # Linux; absent elsewhere
# What open(2) says where the file system, or the kernel, has no O_TMPFILE.
_LACKING = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_GATE = ".lock"


class Unfinished:
    """A file being written in `directory`; `publish` names it, `abandon` forgets it.

    Where the file system has O_TMPFILE, a process that dies leaves nothing. Elsewhere the file has
    a temporary name and is locked while it is written, so that `remove_unfinished` can tell a dead
    writer's file from a living one's. Raises OSError.
    """

    def __init__(self, directory: Path, nameless: bool = True) -> None:
        # A caller that gave up abandons the file while a late write may still run.
        self._lock = threading.RLock()
        self._sum = hashlib.sha256()
        self._length = 0
        self._temporary: Path | None = None
        self._descriptor = -1
        if nameless and _NAMELESS:
            try:
                self._descriptor = os.open(directory, _FLAGS | _NAMELESS, 0o644)
            except OSError as error:
                if error.errno not in _LACKING:
                    raise
        if self._descriptor < 0:
            self._open_named(directory)

    def _open_named(self, directory: Path) -> None:
        self._temporary = directory / uuid.uuid4().hex
        with _gate(directory, fcntl.LOCK_SH):
            self._descriptor = os.open(self._temporary, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, piece: bytes | bytearray) -> "Unfinished":
        """The same file, `piece` appended; abandoned when the disk fails."""
        with self._lock:
            try:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except BaseException:
                self.abandon()
                raise
            self._sum.update(piece)
            self._length += len(piece)
        return self

    def publish(self, path: Path) -> BlobSum:
        """Sync the bytes, give the file its name, sync the directory; what the file holds.

        Raises FileExistsError when the name is taken. Closed and forgotten either way.
        """
        with self._lock:
            try:
                os.fsync(self._descriptor)
                self._name(path)
            finally:
                self.abandon()
        return BlobSum(self._length, self._sum.hexdigest())

    def abandon(self) -> None:
        """Close the file; one without a name is gone with it. May be called again."""
        with self._lock:
            if self._descriptor < 0:
                return
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    self._temporary.unlink()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _name(self, path: Path) -> None:
        """Link the file and sync its directory, which is opened once for both."""
        try:
            parent = _open_directory(path.parent)
        except FileNotFoundError:
            _make_parent(path)
            parent = _open_directory(path.parent)
        try:
            self._link(path, parent)
            try:
                os.fsync(parent)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        finally:
            os.close(parent)

    def _link(self, path: Path, parent: int) -> None:
        if self._temporary is not None:
            os.link(self._temporary, path)
            return
        # With a directory descriptor Python calls linkat(AT_SYMLINK_FOLLOW), which open(2) names as
        # the way to link an O_TMPFILE without privileges.
        source = f"/proc/self/fd/{self._descriptor}"
        os.link(source, path.name, dst_dir_fd=parent, follow_symlinks=True)


def remove_unfinished(directory: Path) -> int:
    """Remove the temporary files whose writers have died; how many there were."""
    removed = 0
    with _gate(directory, fcntl.LOCK_EX):
        for path in directory.iterdir():
            if path.name != _GATE and _is_free(path):
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def sync_directory(directory: Path) -> None:
    """Make the names in the directory durable."""
    descriptor = _open_directory(directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_directory(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _make_parent(path: Path) -> None:
    """Make the folder of a blob, durably; never the root, which may be unmounted."""
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir()
        sync_directory(path.parent.parent)


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def _gate(directory: Path, kind: int) -> Iterator[None]:
    """Between a temporary file's making and its locking no cleaner may look at it."""
    descriptor = os.open(directory / _GATE, _FLAGS | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
