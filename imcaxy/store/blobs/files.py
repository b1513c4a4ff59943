"""Blobs as files below one directory."""

import errno
import hashlib
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing, InternalError
from imcaxy.grammar.variant import CHUNK
from imcaxy.store.blobs.base import BlobSum, BlobTier, OpenBlob
from imcaxy.store.blobs.open_file import OpenFile
from imcaxy.store.blobs.unfinished import Unfinished, remove_unfinished, sync_directory
from imcaxy.store.filesystem import make_directory
from imcaxy.store.threads import Threads

T = TypeVar("T")


class Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""


_Moment = tuple[int, int, int]  # device, inode, time of its last change: which file it is
_NAME = re.compile(r"[A-Za-z0-9_-]{4,128}", re.ASCII)
_THREADS = 4  # each, for reading and for writing: reads must not queue behind fsync
_WRITE = 1024 * 1024  # bytes gathered before one trip to a thread; also held per running put
_SPARE = 64 * 1024 * 1024  # bytes of the file system that blobs leave to the catalog and others
_SPARE_PART = 20  # and at most this part of it
_READ = 4 * CHUNK  # bytes read ahead per trip to a thread; also held per running read


class FileBlobs:
    """Blobs as `<root>/<aa>/<name>`, a folder for each of the 256 beginnings of a name.

    A second level would be 65,536 folders, 256 MiB of blocks, to be made while pictures wait.

    A file gets its name when all its bytes are on the disk, and the directory is synced before
    `put` returns. A root that is gone or was replaced (an unmounted disk) is a BlobError, never a
    BlobMissing: entries must survive it. Every trip to the disk ends after `timeout` seconds.
    """

    def __init__(self, root: Path, timeout: float = 2.0) -> None:
        self._root = root
        self._timeout = timeout
        self._readers = Threads("blobs-read", _THREADS)
        self._writers = Threads("blobs-write", _THREADS)
        self._id = ""
        self._verified: _Moment | None = None  # of the file whose id was found to be ours
        self._closed = False

    tier: BlobTier = "disk"

    @property
    def id(self) -> str:
        """The id that was written into the directory when it was first used."""
        if not self._id:
            raise InternalError("The blob store has not been started.")
        return self._id

    async def start(self) -> None:
        """Make the directory when it is not there, and remove what dead writers left.

        Raises SettingsError when the directory cannot be made, BlobError when it does not work.
        """

        def begin() -> str:
            make_directory(self._root / "tmp")
            remove_unfinished(self._root / "tmp")
            return _claim_id(self._root)

        self._id = await self._run(self._writers, begin)

    async def put(self, name: str, chunks: AsyncIterator[bytes | memoryview]) -> BlobSum:
        """Keep all chunks under `name`: synced, then named, then the directory synced."""
        path = self._path(name)
        gathered = bytearray()
        unfinished: Unfinished | None = None
        try:
            async for chunk in chunks:
                gathered += chunk
                if len(gathered) >= _WRITE:
                    piece, gathered = gathered, bytearray()
                    unfinished = await self._write(unfinished, piece)
            return await self._finish(unfinished, gathered, path)
        except BaseException:
            if unfinished is not None:
                self._writers.begin(unfinished.abandon)
            raise

    async def _write(self, unfinished: Unfinished | None, piece: bytearray) -> Unfinished:
        def write() -> Unfinished:
            target = unfinished or Unfinished(self._root / "tmp")
            return target.write(piece)

        return await self._run(self._writers, write, late=Unfinished.abandon)

    async def _finish(self, unfinished: Unfinished | None, piece: bytearray, path: Path) -> BlobSum:
        def finish() -> BlobSum:
            self._verify_root()
            target = unfinished or Unfinished(self._root / "tmp")
            return target.write(piece).publish(path)

        def unpublish(_: BlobSum) -> None:
            path.unlink(missing_ok=True)

        return await self._run(self._writers, finish, late=unpublish)

    async def read(
        self,
        name: str,
        expected: BlobSum,
        start: int = 0,
        stop: int | None = None,
        *,
        held: OpenBlob | None = None,
    ) -> AsyncIterator[bytes]:
        """Bytes `start` up to `stop`; the digest is compared when that is the whole."""
        end = expected.length if stop is None else min(stop, expected.length)
        digest = hashlib.sha256() if start == 0 and end == expected.length else None
        file = held or await self.hold(name, expected)
        for at in range(start, end, _READ):
            size = min(_READ, end - at)
            piece = await self._run(self._readers, partial(_piece, file, at, size, digest))
            if digest and at + size == end and digest.hexdigest() != expected.digest:
                raise BlobCorrupt("A kept picture is damaged.", value=name)
            for offset in range(0, size, CHUNK):
                yield piece[offset : offset + CHUNK]

    async def hold(self, name: str, expected: BlobSum) -> OpenFile:
        """The file, open; closed when nobody refers to it, on a thread."""
        path = self._path(name)
        return await self._run(self._readers, lambda: self._open(path, expected))

    async def load(self, name: str, expected: BlobSum) -> bytes:
        """The whole blob, opened, read and verified in one trip."""
        path = self._path(name)

        def load() -> bytes:
            return _verified(self._open(path, expected), name, expected)

        return await self._run(self._readers, load)

    async def load_open(self, name: str, expected: BlobSum) -> tuple[bytes, OpenBlob | None]:
        """The same, and the file left open."""
        path = self._path(name)

        def load() -> tuple[bytes, OpenBlob | None]:
            file = self._open(path, expected)
            return _verified(file, name, expected), file

        return await self._run(self._readers, load)

    def _close_later(self, descriptor: int) -> None:
        try:
            self._readers.begin(lambda: os.close(descriptor))
        except RuntimeError:  # no event loop: on one of the threads, or after the end
            os.close(descriptor)

    async def delete(self, name: str) -> None:
        """Remove the file; one that is not there is no error."""
        path = self._path(name)

        def delete() -> None:
            self._verify_root()
            path.unlink(missing_ok=True)

        await self._run(self._writers, delete)

    async def remove_unfinished(self) -> int:
        """Remove what dead writers left unfinished; how many there were."""
        return await self._run(self._writers, lambda: remove_unfinished(self._root / "tmp"))

    async def free(self) -> int:
        """Bytes that blobs may still take of the file system; a small part of it is left alone."""

        def look() -> int:
            found = os.statvfs(self._root)
            spare = min(_SPARE, found.f_blocks * found.f_frsize // _SPARE_PART)
            return max(0, found.f_bavail * found.f_frsize - spare)

        return await self._run(self._readers, look)

    async def check(self) -> str:
        """Write, read and delete one blob."""

        async def chunks() -> AsyncIterator[bytes]:
            yield b"check"

        name = f"check-{uuid.uuid4().hex}"
        try:
            kept = await self.put(name, chunks())
            await self.load(name, kept)
        finally:
            await self.delete(name)
        free = await self.free()
        if free == 0:
            raise BlobError(f"files in {self._root}: the disk is full; nothing more is kept.")
        return f"files in {self._root}: {free // 2**20} MiB free"

    async def close(self) -> None:
        """End the threads."""
        self._closed = True
        await self._readers.close(self._timeout)
        await self._writers.close(self._timeout)

    async def _run(
        self,
        threads: Threads,
        function: Callable[[], T],
        late: Callable[[T], object] | None = None,
    ) -> T:
        if self._closed:
            raise BlobError("The blob store is closed.")
        try:
            return await threads.run(function, self._timeout, late)
        except TimeoutError as error:
            raise BlobError("The disk did not answer in time.") from error
        except OSError as error:
            raise BlobError(f"The disk failed: {error.strerror}.") from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BlobError("A blob's name cannot be used.", value=name, accepted=_NAME.pattern)
        return self._root / name[:2] / name

    def _open(self, path: Path, expected: BlobSum) -> OpenFile:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            self._verify_root()
            raise BlobMissing("A kept picture is missing.", value=path.name) from error
        file = OpenFile(descriptor, self._close_later)
        if file.length != expected.length:
            raise BlobCorrupt("A kept picture has the wrong length.", value=path.name)
        return file

    def _verify_root(self) -> None:
        path = self._root / "id"
        try:
            moment = _moment(path.stat())
            if moment == self._verified:
                return
            if path.read_text() == self._id:
                self._verified = moment
                return
        except FileNotFoundError:
            pass
        raise BlobError("The directory of the kept pictures is gone, or was replaced.")


def _moment(status: os.stat_result) -> _Moment:
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _piece(file: OpenBlob, at: int, size: int, digest: Digest | None = None) -> bytes:
    piece = os.pread(file.descriptor, size, at)
    while len(piece) < size:
        more = os.pread(file.descriptor, size - len(piece), at + len(piece))
        if not more:
            raise BlobCorrupt("A kept picture ends too early.")
        piece += more
    if digest is not None:
        digest.update(piece)
    return piece


def _verified(file: OpenFile, name: str, expected: BlobSum) -> bytes:
    body = _piece(file, 0, expected.length)
    if hashlib.sha256(body).hexdigest() != expected.digest:
        raise BlobCorrupt("A kept picture is damaged.", value=name)
    return body


def _claim_id(root: Path) -> str:
    """The directory's id; of several processes that begin at once, one writes it."""
    path = root / "id"
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    try:
        Unfinished(root / "tmp").write(uuid.uuid4().hex.encode()).publish(path)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    sync_directory(root)
    return path.read_text()
