"""One bucket, as the S3 library gives it: deadlines on every call, BlobError instead of its errors.

Only Put, Get, Head, Delete and the multipart calls are made, never a listing; and CreateBucket when
the bucket is not there at the start.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from xml.etree.ElementTree import ParseError

import aiohttp
from miniopy_async.api import Minio
from miniopy_async.datatypes import MultipartUploader
from miniopy_async.error import MinioException, S3Error
from yarl import URL

from imcaxy import kept_connections
from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing
from imcaxy.grammar.variant import CHUNK

_SHORT = 64  # connections for everything but streams, which slow readers may hold for long
_STREAMS = 256  # connections for streams
_RIGHTS = (
    "GetObject, PutObject, DeleteObject and AbortMultipartUpload on the bucket's objects, and "
    "ListBucket on the bucket (nothing is listed, but without it an absent object cannot be told "
    "from a forbidden one)"
)
_SENTENCES = {
    "AccessDenied": f"The S3 server forbids it. The access key needs {_RIGHTS}.",
    "AllAccessDisabled": f"The S3 server forbids it. The access key needs {_RIGHTS}.",
    "InvalidAccessKeyId": "The S3 server does not know the IMCAXY_MINIO_ACCESS_KEY.",
    "SignatureDoesNotMatch": "The S3 server says that the IMCAXY_MINIO_SECRET_KEY is wrong.",
    "NoSuchBucket": "The bucket is gone.",
    "RequestTimeTooSkewed": "This machine's clock and the S3 server's differ by too much.",
    "AuthorizationHeaderMalformed": "The bucket is in another place than IMCAXY_MINIO_LOCATION.",
    "XMinioStorageFull": "The S3 server's disk is full.",
    "SlowDown": "The S3 server is overloaded.",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the bucket is, and who asks."""

    host: str  # with the port where it is not 80 or 443
    access_key: str
    secret_key: str
    bucket: str
    location: str  # given to the library so that it never asks for it
    tls: bool

    def __repr__(self) -> str:
        return f"Endpoint({self.host}, {self.bucket})"  # without the keys: a log may print it


class Bucket:
    """Objects by name. Raises BlobError; BlobMissing where there is no such object.

    Every call ends within `timeout` seconds, every piece of a stream too.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._short = _Http(_SHORT)
        self._streaming = _Http(_STREAMS)
        self._minio = _library(endpoint, self._short)
        self._streams = _library(endpoint, self._streaming)

    @property
    def server(self) -> str:
        """What the server calls itself, as far as it has said."""
        return self._short.server or "S3"

    async def length(self, name: str) -> int | None:
        """The object's bytes; None when there is no such object, or no such bucket."""
        async with self.calling(name):
            try:
                found = await self._minio.stat_object(self._endpoint.bucket, name)
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return None
                raise
        return found.size

    async def put(self, name: str, body: bytes) -> None:
        """Keep the object, durably."""
        async with self.calling(name):
            await self._minio.put_object(self._endpoint.bucket, name, io.BytesIO(body), len(body))

    def begin(self, name: str) -> "Upload":
        """An object whose length is not known yet."""
        uploader = self._minio.multipart_uploader(self._endpoint.bucket, name)
        return Upload(uploader, self, name)

    async def pieces(
        self, name: str, length: int, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """Bytes `start` up to `stop`, which is above it, in pieces of at most CHUNK bytes.

        An object that has not `length` bytes raises BlobCorrupt before the first of them. Ends
        normally only when all have been given.
        """
        library = self._streams if stop - start > CHUNK else self._minio
        whole = (start, stop) == (0, length)
        async with self.calling(name):
            answer = await library.get_object(
                self._endpoint.bucket,
                name,
                offset=0 if whole else start,
                length=0 if whole else stop - start,
            )
        try:
            if _total(answer, whole) != length:
                raise BlobCorrupt("A kept picture has the wrong length.", value=name)
            left = stop - start
            while left:
                async with self.calling(name):
                    piece = await answer.content.read(min(left, CHUNK))
                if not piece:
                    raise BlobError("The S3 server broke off.", value=name)
                left -= len(piece)
                yield piece
        finally:
            answer.close()  # ends the connection unless the whole answer has been received

    async def delete(self, name: str) -> None:
        """Remove the object; one that is not there is no error."""
        async with self.calling(name):
            try:
                await self._minio.remove_object(self._endpoint.bucket, name)
            except S3Error as error:
                if error.code != "NoSuchKey":
                    raise

    async def read_small(self, name: str, *, make_bucket: bool = False) -> bytes | None:
        """The object's first kilobyte; None when there is no such object.

        Where the bucket is missing it is made if that is asked for. Not a Head, whose errors have
        no body: wrong keys could not be told from missing rights.
        """
        async with self.calling(name):
            try:
                answer = await self._minio.get_object(self._endpoint.bucket, name)
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return None
                if error.code != "NoSuchBucket" or not make_bucket:
                    raise
            else:
                try:
                    return await answer.content.read(1024)
                finally:
                    answer.close()
        await self._make()
        return None

    async def _make(self) -> None:
        """Make the bucket; one that another has just made is no error."""
        async with self.calling(self._endpoint.bucket):
            try:
                await self._minio.make_bucket(self._endpoint.bucket)
            except S3Error as error:
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise

    async def close(self) -> None:
        """End the connections."""
        await self._short.close()
        await self._streaming.close()

    @contextlib.asynccontextmanager
    async def calling(self, name: str) -> AsyncIterator[None]:
        """Around one call: its deadline, and BlobError for all that the libraries raise."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError as error:
            raise BlobError("The S3 server did not answer in time.") from error
        except S3Error as error:
            raise _from_code(error.code or "", name) from error
        except (MinioException, ParseError, ValueError, TypeError) as error:
            raise BlobError(
                f"What answers at {self._endpoint.host} does not speak S3: "
                "are IMCAXY_MINIO_ENDPOINT and IMCAXY_MINIO_SSL right?"
            ) from error
        except aiohttp.ClientSSLError as error:
            raise BlobError(
                f"No TLS with the S3 server at {self._endpoint.host}: "
                "is its certificate known here, and IMCAXY_MINIO_SSL right?"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BlobError(
                f"The S3 server at {self._endpoint.host} is not reached: does it run, and is "
                "IMCAXY_MINIO_ENDPOINT right?"
            ) from error


class Upload:
    """One object in parts; `abandon` or `complete` ends it."""

    def __init__(self, uploader: MultipartUploader, bucket: Bucket, name: str) -> None:
        self._uploader = uploader
        self._bucket = bucket
        self._name = name
        self._parts = 0

    async def add(self, piece: bytes) -> None:
        """Send the next part, 5 MiB at least unless it is the last."""
        self._parts += 1
        async with self._bucket.calling(self._name):
            await self._uploader.upload_part(piece, self._parts)

    async def complete(self) -> None:
        """Make the object visible, durably."""
        async with self._bucket.calling(self._name):
            await self._uploader.complete()

    async def abandon(self) -> None:
        """Let the server forget the parts; one that it does not know is no error."""
        async with self._bucket.calling(self._name):
            try:
                await self._uploader.abort()  # type: ignore[no-untyped-call]  # the library's
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise


class _Http:
    """What the library takes for its HTTP client.

    Its own retries for seconds, follows redirects and leaves answers open. This one tries a second
    connection where a kept one turned out dead, and nothing more.
    """

    def __init__(self, connections: int) -> None:
        self._limit = connections
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self.server = ""  # the last `Server` field

    async def request(
        self, method: str, url: URL, data: bytes | None, headers: Any
    ) -> aiohttp.ClientResponse:
        """The head of the answer."""
        if self._pooled is None or self._fresh is None:
            self._pooled = _session(aiohttp.TCPConnector(limit=self._limit))
            self._fresh = _session(aiohttp.TCPConnector(limit=self._limit, force_close=True))

        async def ask(
            session: aiohttp.ClientSession, connection: SimpleNamespace
        ) -> aiohttp.ClientResponse:
            return await session.request(
                method,
                url,
                # Of more than 1 MiB of plain bytes aiohttp warns: they would go out in one piece.
                data=io.BytesIO(data) if data else data,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=connection,
            )

        answer = await kept_connections.asked(self._pooled, self._fresh, ask)
        self.server = answer.headers.get("Server", self.server)
        if method in ("PUT", "DELETE") and answer.status < 300:
            await answer.read()  # the library leaves it unread, which would hold the connection
        return answer

    async def close(self) -> None:
        """End the connections."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},  # else a server in between may change lengths
        timeout=aiohttp.ClientTimeout(total=None),  # `Bucket` has the deadlines
        trace_configs=[kept_connections.noting_reuse()],
    )


def _library(endpoint: Endpoint, http: _Http) -> Minio:
    return Minio(
        endpoint.host,
        access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
        secure=endpoint.tls,
        region=endpoint.location,
        session=cast("Any", http),
    )


def _total(answer: aiohttp.ClientResponse, whole: bool) -> int:
    """The object's length as the answer's head tells it; -1 when it does not."""
    if whole:
        return answer.content_length if answer.content_length is not None else -1
    _, _, total = answer.headers.get("Content-Range", "").rpartition("/")
    return int(total) if answer.status == 206 and total.isdecimal() else -1


def _from_code(code: str, name: str) -> BlobError:
    if code == "NoSuchKey":
        return BlobMissing("A kept picture is missing.", value=name)
    if code == "InvalidRange":
        return BlobCorrupt("A kept picture has the wrong length.", value=name)
    return BlobError(_SENTENCES.get(code, f"The S3 server answered {code[:64]}."))
