"""Blobs as objects of one bucket of an S3 server (design 6.7, 6.14)."""

import hashlib
import re
import uuid
from collections.abc import AsyncIterator

from imcaxy.clock import Clock
from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing, InternalError
from imcaxy.store.blobs.base import BlobSum, BlobTier, OpenBlob
from imcaxy.store.blobs.s3_client import Bucket, Endpoint, Upload
from imcaxy.tasks import Tasks

ID = "imcaxy-id"  # the object that holds the store's id
_NAME = re.compile(r"[A-Za-z0-9_-]{4,128}", re.ASCII)
_ID = re.compile(rb"[0-9a-f]{32}")
_PART = 5 * 1024 * 1024  # bytes gathered before one request: the least that S3 takes as a part
_UNDO_PAUSES = (0.0, 1.0, 5.0, 30.0)  # seconds before each attempt to remove what a put left
_AGAIN = 0.5  # seconds until the second attempt to start
_UNDOING = 64  # puts that are undone at the same time; the claims of others name their blobs


class S3Blobs:
    """Blobs as objects of the same name, beside one that holds the store's id.

    Objects below 5 MiB are one Put, larger ones a multipart upload, which is aborted when it does
    not end well (what a killed process began is the server's to expire). A missing object is
    BlobMissing only while the bucket is the one that was started with, else a BlobError: entries
    must survive a bucket that is gone for a while. Every request ends after `timeout` seconds.
    `settle` is the wait, once in a bucket's life, for others that write its id at the same time.
    """

    tier: BlobTier = "bucket"

    def __init__(
        self, endpoint: Endpoint, clock: Clock, timeout: float = 2.0, settle: float | None = None
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._timeout = timeout
        self._settle = timeout if settle is None else settle
        self._bucket = Bucket(endpoint, timeout)
        self._undoing = Tasks()
        self._id = ""
        self._closed = False

    @property
    def id(self) -> str:
        """The id that the bucket's first user wrote into it."""
        if not self._id:
            raise InternalError("The blob store has not been started.")
        return self._id

    async def start(self) -> None:
        """Make the bucket when it is not there; BlobError that says what does not work.

        1 A reads no id. 2 B reads no id. 3 A writes its own and reads it. 4 B writes its own over
        it. All writes that began before 3 have ended one request's deadline later: so whoever has
        written waits that long, then takes the id that is there.
        """
        self._verify_open()
        try:
            self._id = await self._agreed_id()
        except BlobError:  # some servers fail where several make one bucket or object at once
            await self._clock.sleep(_AGAIN)
            self._id = await self._agreed_id()

    async def _agreed_id(self) -> str:
        found = await self._read_id(make_bucket=True)
        if not found:
            await self._bucket.put(ID, uuid.uuid4().hex.encode())
            await self._clock.sleep(self._settle)
            found = await self._read_id()
        if not found:
            raise BlobError(f"The bucket {self._endpoint.bucket} does not keep what is written.")
        return found

    async def put(self, name: str, chunks: AsyncIterator[bytes | memoryview]) -> BlobSum:
        """Keep all chunks under `name`: the object is there when the last byte is."""
        self._verify_name(name)
        digest = hashlib.sha256()
        length = 0
        gathered = bytearray()
        upload: Upload | None = None
        begun = False
        try:
            async for chunk in chunks:
                digest.update(chunk)
                length += len(chunk)
                gathered += chunk
                if len(gathered) >= _PART:
                    if upload is None:
                        await self._verify_free(name)
                        begun, upload = True, self._bucket.begin(name)
                    piece, gathered = bytes(gathered), bytearray()
                    await upload.add(piece)
            if upload is None:
                await self._verify_free(name)
                begun = True
            await self._finish(name, upload, bytes(gathered), length)
        except BaseException:
            if begun and len(self._undoing) < _UNDOING:
                self._undoing.detach(self._undo(name, upload), "undo put")
            raise
        return BlobSum(length, digest.hexdigest())

    async def _finish(self, name: str, upload: Upload | None, piece: bytes, length: int) -> None:
        if upload is None:
            await self._bucket.put(name, piece)
            return
        if piece:
            await upload.add(piece)
        await upload.complete()
        # CompleteMultipartUpload may answer 200 with an error in its body.
        if await self._bucket.length(name) != length:
            raise BlobError("The S3 server did not put the parts together.", value=name)

    async def _undo(self, name: str, upload: Upload | None) -> None:
        """Remove what a put that failed may have left; who cannot leaves it to the claim's row."""
        for pause in _UNDO_PAUSES:
            await self._clock.sleep(pause)
            try:
                if upload is not None:
                    await upload.abandon()
                await self._bucket.delete(name)
            except BlobError:
                continue
            return

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
        self._verify_name(name)
        end = expected.length if stop is None else min(stop, expected.length)
        if start >= end:
            await self._verify_length(name, expected)
            return
        digest = hashlib.sha256() if start == 0 and end == expected.length else None
        pieces = self._bucket.pieces(name, expected.length, start, end)
        left = end - start
        try:
            async for piece in pieces:
                left -= len(piece)
                if digest is not None:
                    digest.update(piece)
                    if not left and digest.hexdigest() != expected.digest:
                        raise BlobCorrupt("A kept picture is damaged.", value=name)
                yield piece
        except BlobMissing:
            await self._verify_bucket()
            raise
        finally:
            await pieces.aclose()

    async def load(self, name: str, expected: BlobSum) -> bytes:
        """The whole blob, verified."""
        return b"".join([piece async for piece in self.read(name, expected)])

    async def load_open(self, name: str, expected: BlobSum) -> tuple[bytes, OpenBlob | None]:
        """The whole blob, verified; nothing of a bucket can be left open."""
        return await self.load(name, expected), None

    async def hold(self, _name: str, _expected: BlobSum) -> None:
        """Nothing: each piece is asked for by name."""

    async def delete(self, name: str) -> None:
        """Remove the object; one that is not there is no error."""
        self._verify_name(name)
        await self._bucket.delete(name)

    async def remove_unfinished(self) -> int:
        """Nothing: parts of uploads that nobody ended are the server's to expire."""
        return 0

    async def check(self) -> str:
        """Write, read and delete one blob."""

        async def chunks() -> AsyncIterator[bytes]:
            yield b"check"

        name = f"check-{uuid.uuid4().hex}"
        begun = self._clock.now()
        try:
            kept = await self.put(name, chunks())
            await self.load(name, kept)
        finally:
            await self.delete(name)
        took = (self._clock.now() - begun) * 1000
        where = f"bucket {self._endpoint.bucket} at {self._endpoint.host}"
        return f"{self._bucket.server}, {where}: written, read and deleted in {took:.0f} ms"

    async def close(self) -> None:
        """End the connections, when what failed puts left has been removed."""
        self._closed = True
        await self._undoing.drain(self._timeout)
        await self._bucket.close()

    async def _read_id(self, *, make_bucket: bool = False) -> str:
        """The bucket's id; nothing when it has none."""
        found = await self._bucket.read_small(ID, make_bucket=make_bucket)
        if found is not None and not _ID.fullmatch(found):
            raise BlobError(f"The bucket {self._endpoint.bucket} has an object {ID} of others.")
        return (found or b"").decode()

    async def _verify_bucket(self) -> None:
        """BlobError when the bucket is not the one that was started with."""
        if await self._read_id() != self._id:
            raise BlobError("The bucket of the kept pictures is gone, or was replaced.")

    async def _verify_free(self, name: str) -> None:
        if await self._bucket.length(name) is not None:
            raise BlobError("A blob's name is used twice.", value=name)

    async def _verify_length(self, name: str, expected: BlobSum) -> None:
        length = await self._bucket.length(name)
        if length is None:
            await self._verify_bucket()
            raise BlobMissing("A kept picture is missing.", value=name)
        if length != expected.length:
            raise BlobCorrupt("A kept picture has the wrong length.", value=name)

    def _verify_name(self, name: str) -> None:
        self._verify_open()
        if not _NAME.fullmatch(name):
            raise BlobError("A blob's name cannot be used.", value=name, accepted=_NAME.pattern)

    def _verify_open(self) -> None:
        if self._closed:
            raise BlobError("The blob store is closed.")
