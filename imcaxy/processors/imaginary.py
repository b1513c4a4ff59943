"""Pictures made by an Imaginary server, which gets the original's bytes by POST."""

import asyncio
import io
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from imcaxy.errors import (
    OperationUnsupported,
    ProcessorFailed,
    ProcessorTimeout,
    ProcessorUnavailable,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.rebuild import to_query
from imcaxy.grammar.variant import CHUNK
from imcaxy.kept_connections import LOST, asked, noting_reuse
from imcaxy.processors.base import Picture
from imcaxy.processors.imaginary_answers import (
    Announcement,
    FreedTooEarly,
    flaw,
    media_type,
    refusal,
    too_large,
)
from imcaxy.sources.base import Original

_log = logging.getLogger("imcaxy.processors.imaginary")

# Without watermarkimage: Imaginary would fetch the overlay itself, from wherever its URL points.
OPERATIONS = frozenset(
    (
        "autorotate",
        "blur",
        "convert",
        "crop",
        "enlarge",
        "extract",
        "fit",
        "flip",
        "flop",
        "info",
        "pipeline",
        "resize",
        "rotate",
        "smartcrop",
        "thumbnail",
        "watermark",
        "zoom",
    )
)
FORMATS = frozenset(("jpeg", "png", "tiff", "webp"))
ERROR_BODY = 64 * 1024  # bytes of an error's body that are read
CONNECT = 5.0  # seconds that one TCP or TLS connection may take
KEEPALIVE = 15.0  # seconds that an unused connection is kept
VERSION_DEADLINE = 1.0  # seconds that the start waits for the engine's version
DOT = bytes.fromhex(  # a grey PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478da63"
    "68000000820081da45083b0000000049454e44ae426082"
)


class ImaginaryProcessor:
    """Makes pictures with an Imaginary server at `url`.

    A picture counts only when its answer is a 200 of the operation's type, without an `Error`
    header, and ends as its framing announced. `timeout` bounds the whole work, `first_byte` the
    time to the first byte of the body, `stall` the time between two pieces of it (seconds);
    `max_bytes` bounds the picture and `connections` the sockets. Nothing that a client wrote is
    sent, and the environment's proxies are not used.
    """

    name = "imaginary"
    recipe = "1"
    operations = OPERATIONS
    formats = FORMATS

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        first_byte: float,
        stall: float,
        max_bytes: int,
        connections: int,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._first_byte = first_byte
        self._connect = min(CONNECT, first_byte / 2)  # told apart from an engine that is slow
        self._stall = stall
        self._max_bytes = max_bytes
        self._connections = connections
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        # Until the engine has told its version, no ETag may equal one of another run.
        self.version = f"unknown-{secrets.token_hex(8)}"

    async def start(self) -> None:
        """Open the connection pool and ask for the engine's version, briefly."""
        self._pooled = self._session(
            aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEPALIVE)
        )
        self._fresh = self._session(aiohttp.TCPConnector(limit=self._connections, force_close=True))
        with suppress(aiohttp.ClientError, HttpProcessingError, OSError, ValueError):
            async with asyncio.timeout(VERSION_DEADLINE):
                async with self._pooled.get(URL(f"{self._url}/", encoded=True)) as response:
                    self._learn_version(response)

    async def close(self) -> None:
        """Close every connection; running work is given up."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None

    async def check(self) -> str:
        """One line naming the engine, after it really converted a picture of one pixel."""
        if self._pooled is None:
            await self.start()
        target = URL(f"{self._url}/convert?type=jpeg", encoded=True)
        async with self._answer(target, "convert", DOT) as picture:
            size = sum([len(chunk) async for chunk in picture.chunks])
        host = URL(self._url).host
        return f"Imaginary at {host} ({self.version}) converted a picture to {size} bytes"

    @asynccontextmanager
    async def make(
        self, request: ImageRequest, originals: Sequence[Original]
    ) -> AsyncIterator[Picture]:
        """The picture as Imaginary delivers it; entering waits for the first byte of its body.

        Raises RequestError, SourceError or Overloaded where Imaginary's answer means that,
        ProcessingError for everything else.
        """
        if request.operation not in OPERATIONS or request.overlays:
            raise OperationUnsupported(
                value="watermarkimage" if request.overlays else request.operation,
                accepted=", ".join(sorted(OPERATIONS)),
            )
        query = to_query(request)
        target = URL(f"{self._url}/{request.operation}?{query}", encoded=True)
        async with self._answer(target, request.operation, originals[0].body) as picture:
            yield picture

    @asynccontextmanager
    async def _answer(self, target: URL, operation: str, body: bytes) -> AsyncIterator[Picture]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        with _at_the_edge():
            async with asyncio.timeout(min(self._first_byte, self._timeout)):
                response, first = await self._begin(target, operation, body)
        length = response.content_length
        chunks = self._chunks(response, first, deadline)
        try:
            yield Picture(media_type(response.headers["Content-Type"]), length, chunks)
        finally:
            await chunks.aclose()
            response.close()

    async def _begin(
        self, target: URL, operation: str, body: bytes
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """An answer that is a picture, and the first piece of its body."""
        try:
            return await self._attempt(target, operation, body)
        except FreedTooEarly:
            return await self._attempt(target, operation, body)

    async def _attempt(
        self, target: URL, operation: str, body: bytes
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        response = await self._post(target, body)
        try:
            return response, await self._first_piece(response, operation)
        except BaseException:
            response.close()
            raise

    async def _first_piece(self, response: aiohttp.ClientResponse, operation: str) -> bytes:
        """The first bytes of the body, once the answer has been found to be a picture."""
        self._learn_version(response)
        announced = _announcement(response)
        start = b"" if announced.status == 200 else await _start_of(response)
        error = refusal(announced, start) or flaw(announced, operation, self._max_bytes)
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback names this frame: a cycle that would keep the job's bytes
        first = await response.content.read(CHUNK)
        if not first:
            raise ProcessorFailed("The picture's maker answered with nothing.")
        return first

    async def _post(self, target: URL, body: bytes) -> aiohttp.ClientResponse:
        """The head of an answer; sent again, once, when a kept connection turned out dead."""
        if self._pooled is None or self._fresh is None:
            raise ProcessorUnavailable("The picture's maker is not connected.")
        try:
            return await asked(self._pooled, self._fresh, partial(_send, target, body))
        except LOST as error:
            _log.warning("the processor cannot be reached", exc_info=error)
            raise ProcessorUnavailable from error
        except aiohttp.ConnectionTimeoutError as error:
            raise ProcessorUnavailable from error

    async def _chunks(
        self, response: aiohttp.ClientResponse, first: bytes, deadline: float
    ) -> AsyncGenerator[bytes, None]:
        """The pieces of the body, `first` before them; ends only where its framing says so.

        The HTTP library raises when the connection ends before the announced length or the last
        chunk; `flaw` has refused every body without either.
        """
        loop = asyncio.get_running_loop()
        received, piece = 0, first
        while piece:
            received += len(piece)
            if received > self._max_bytes:
                raise too_large(received, self._max_bytes)
            yield piece
            with _at_the_edge():
                async with asyncio.timeout_at(min(loop.time() + self._stall, deadline)):
                    piece = await response.content.read(CHUNK)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._connect),
            headers={"Accept-Encoding": "identity", "User-Agent": "imcaxy"},
            trace_configs=[noting_reuse()],
        )

    def _learn_version(self, response: aiohttp.ClientResponse) -> None:
        told = response.headers.get("Server", "")
        if told.startswith("imaginary "):
            self.version = told.removeprefix("imaginary ")


async def _send(
    target: URL, body: bytes, session: aiohttp.ClientSession, connection: SimpleNamespace
) -> aiohttp.ClientResponse:
    return await session.post(
        target,
        data=io.BytesIO(body),  # shares the bytes, and is sent piece by piece
        headers={"Content-Type": "application/octet-stream"},
        allow_redirects=False,
        trace_request_ctx=connection,
    )


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an error's body, enough for its message."""
    start = bytearray()
    while len(start) < ERROR_BODY and (piece := await response.content.read(CHUNK)):
        start += piece
    return bytes(start)


def _announcement(response: aiohttp.ClientResponse) -> Announcement:
    headers = response.headers
    return Announcement(
        status=response.status,
        media_type=media_type(headers.get("Content-Type", "")),
        length=response.content_length,
        chunked="chunked" in headers.get("Transfer-Encoding", "").lower(),
        encoding=headers.get("Content-Encoding", "").strip().lower(),
        error=headers.get("Error"),
        retry_after=headers.get("Retry-After"),
    )


@contextmanager
def _at_the_edge() -> Iterator[None]:
    """Turns the HTTP library's exceptions into ours.

    Without their tracebacks: the library keeps its exception, and so would keep the job's frames
    and bytes until a garbage collection.
    """
    try:
        yield
    except TimeoutError as error:
        raise ProcessorTimeout from error.with_traceback(None)
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError) as error:
        raise ProcessorFailed(
            "The picture's maker broke off its answer."
        ) from error.with_traceback(None)
