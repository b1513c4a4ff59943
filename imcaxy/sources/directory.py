"""Sources from a directory of this machine."""

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

from imcaxy.errors import (
    SourceError,
    SourceFailed,
    SourceMalformed,
    SourceMissing,
    SourceRefused,
    SourceTimeout,
)
from imcaxy.grammar.source import Source
from imcaxy.sources.answer import too_large
from imcaxy.sources.base import Admit, Note, SourceReader

THREADS = 8  # a thread that hangs in a network file system cannot be stopped
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not block
_Result = TypeVar("_Result")


class DirectoryReader(SourceReader):
    """Reads sources of kind "file": regular files below `root`, never through a symbolic link.

    `root` itself may be a link, since the operator named it. Every component below it is opened
    relative to the folder before, so renaming folders during the walk cannot lead outside.
    """

    def __init__(self, root: Path | None, *, max_bytes: int, timeout: float) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._timeout = timeout  # seconds for one step
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="imcaxy-files")

    async def read(self, source: Source, admit: Admit, note: Note | None = None) -> bytes:
        """The whole file.

        Raises SourceMissing, SourceRefused (no root, `..`, a link, not a regular file),
        SourceTooLarge, SourceFailed (unreadable, or changed while it was read), SourceTimeout.
        """
        root, parts = self._root, _parts(source.value)
        if root is None:
            raise SourceRefused(
                "Sources from a directory are turned off.",
                value=source.value,
                accepted="a directory in IMCAXY_SOURCE_DIR",
            )
        size = await self._run(lambda: _size(root, parts, self._max_bytes))
        await admit(size)
        return await self._run(lambda: _content(root, parts, size))

    async def close(self) -> None:
        """Let the threads end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, step: Callable[[], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._threads, step)
        except TimeoutError as error:
            raise SourceTimeout("The source file could not be read in time.") from error
        except OSError as error:
            raise SourceFailed("The source file cannot be read.") from error


def _parts(path: str) -> list[str]:
    if "\0" in path:
        raise SourceMalformed("The source's path holds a null character.", value=path)
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise SourceRefused(
            "The source's path leads upwards.", value=path, accepted="a path without '..'"
        )
    if not parts:
        raise SourceMissing("The source's path names no file.", value=path)
    return parts


def _size(root: Path, parts: list[str], max_bytes: int) -> int:
    file = _open(root, parts)
    try:
        size = os.fstat(file).st_size
    finally:
        os.close(file)
    if size > max_bytes:
        raise too_large(size, max_bytes)
    return size


def _content(root: Path, parts: list[str], size: int) -> bytes:
    """The file's bytes if it has exactly `size` of them, from the first to the last moment."""
    with open(_open(root, parts), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        chunks, left = [], size + 1  # one more, to see it grow
        while left > 0 and (chunk := file.read(left)):
            chunks.append(chunk)
            left -= len(chunk)
        after = os.fstat(file.fileno())
    body = b"".join(chunks)
    if len(body) != size or _moment(before) != _moment(after):
        raise SourceFailed("The source file changed while it was read.", value="/".join(parts))
    return body


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _open(root: Path, parts: list[str]) -> int:
    """A descriptor of the regular file."""
    folder = _step(None, str(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in parts[:-1]:
            following = _step(folder, name, _FOLDER)
            os.close(folder)
            folder = following
        file = _step(folder, parts[-1], _FILE)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise SourceRefused("The source is not a regular file.", value="/".join(parts))
    return file


def _step(folder: int | None, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except (OSError, UnicodeError) as error:
        if folder is None:
            raise SourceFailed("The source directory cannot be opened.") from error
        _refuse(folder, name, error)


def _refuse(folder: int, name: str, error: OSError | UnicodeError) -> NoReturn:
    raise _why(folder, name, error) from error


def _why(folder: int, name: str, error: OSError | UnicodeError) -> SourceError:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    if number in (errno.ELOOP, errno.ENOTDIR) and _is_link(folder, name):
        return SourceRefused("The source's path goes through a symbolic link.", value=name)
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return SourceMissing("There is no such source file.", value=name)
    if number == errno.ENXIO:  # a socket
        return SourceRefused("The source is not a regular file.", value=name)
    return SourceFailed("The source file cannot be read.", value=name)


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
