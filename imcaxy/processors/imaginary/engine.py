"""One Imaginary server: its connections, its version, and how its answers are read."""

import asyncio
import io
import logging
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from imcaxy.errors import ProcessorFailed, ProcessorTimeout, ProcessorUnavailable
from imcaxy.grammar.variant import CHUNK
from imcaxy.kept_connections import LOST, asked, noting_reuse
from imcaxy.processors.base import Picture
from imcaxy.processors.imaginary.answers import (
    Announcement,
    FreedTooEarly,
    flaw,
    media_type,
    refusal,
    too_large,
)
from imcaxy.processors.imaginary.asks import Ask

_log = logging.getLogger("imcaxy.processors.imaginary")

ERROR_BODY = 64 * 1024  # bytes of an error's body that are read
CONNECT = 5.0  # seconds that one TCP or TLS connection may take
KEEPALIVE = 15.0  # seconds that an unused connection is kept
VERSION_DEADLINE = 1.0  # seconds that the start waits for the engine's version


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds the work of an engine for one picture."""

    timeout: float  # seconds for all of it
    first_byte: float  # seconds until the first byte of the body
    stall: float  # seconds between two pieces of the body
    silence: float  # seconds without a first byte, or a word about its health, that raise doubts
    max_bytes: int  # of the picture
    connections: int  # sockets to one engine


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that is a picture, and the first piece of its body."""

    response: aiohttp.ClientResponse
    first: bytes
    version: str  # of the engine that made it


class AnswerLost(ProcessorUnavailable):
    """A connection that took the request ended without an answer: perhaps the picture's doing."""


class Engine:
    """Asks the Imaginary server at `url`.

    A picture counts only when its answer is a 200 of the operation's type, without an `Error`
    header, and ends as its framing announced. Nothing that a client wrote is sent, and the
    environment's proxies are not used.
    """

    def __init__(self, url: str, bounds: Bounds) -> None:
        self.url = url.rstrip("/")
        self._bounds = bounds
        self._connect = min(CONNECT, bounds.first_byte / 2)  # told apart from a slow engine
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        # Until the engine has told its version, no ETag may equal one of another run.
        self.version = f"unknown-{secrets.token_hex(8)}"

    @property
    def host(self) -> str:
        """Host and port, as an operator knows the engine."""
        return URL(self.url).authority

    async def start(self) -> None:
        """Open the connection pool and ask for the engine's version, briefly."""
        if self._pooled is not None:
            return
        limit = self._bounds.connections
        self._pooled = self._session(aiohttp.TCPConnector(limit=limit, keepalive_timeout=KEEPALIVE))
        self._fresh = self._session(aiohttp.TCPConnector(limit=limit, force_close=True))
        with suppress(aiohttp.ClientError, HttpProcessingError, OSError, ValueError):
            async with asyncio.timeout(VERSION_DEADLINE):
                async with self._pooled.get(URL(f"{self.url}/", encoded=True)) as response:
                    self._learn_version(response)

    async def close(self) -> None:
        """Close every connection; running work is given up."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None

    async def begin(self, ask: Ask) -> Begun:
        """The answer, when it is a picture, once the first byte of its body is there.

        Raises AnswerLost when a connection was made and ended; ProcessorUnavailable when none
        could be made; RequestError, SourceError, Overloaded or ProcessingError as the answer says.
        """
        with at_the_edge():
            try:
                return await self._attempt(ask)
            except FreedTooEarly:
                return await self._attempt(ask)

    async def answers(self) -> bool:
        """Whether it says anything at all, by a new connection and in time.

        Its health is told by other threads than those that make pictures: who is at work answers.
        """
        if self._fresh is None:
            return False
        health = URL(f"{self.url}/health", encoded=True)
        with suppress(aiohttp.ClientError, HttpProcessingError, OSError, ValueError):
            async with asyncio.timeout(self._bounds.silence):
                async with self._fresh.get(health, allow_redirects=False):
                    return True
        return False

    def picture(self, begun: Begun, deadline: float) -> tuple[Picture, AsyncGenerator[bytes, None]]:
        """What was begun, as a picture; whoever takes it closes the pieces in the end."""
        response = begun.response
        chunks = self._chunks(response, begun.first, deadline)
        kind = media_type(response.headers["Content-Type"])
        return Picture(kind, response.content_length, chunks, begun.version), chunks

    async def _attempt(self, ask: Ask) -> Begun:
        response = await self._send(ask)
        try:
            return Begun(response, await self._first_piece(response, ask), self.version)
        except BaseException:
            response.close()
            raise

    async def _first_piece(self, response: aiohttp.ClientResponse, ask: Ask) -> bytes:
        """The first bytes of the body, once the answer has been found to be a picture."""
        self._learn_version(response)
        announced = _announcement(response)
        start = b"" if announced.status == 200 else await _start_of(response)
        error = refusal(announced, start, fetched=ask.body is None) or flaw(
            announced, ask.operation, self._bounds.max_bytes
        )
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback names this frame: a cycle that would keep the job's bytes
        first = await response.content.read(CHUNK)
        if not first:
            raise ProcessorFailed("The picture's maker answered with nothing.")
        return first

    async def _send(self, ask: Ask) -> aiohttp.ClientResponse:
        """The head of an answer; sent again, once, when a kept connection turned out dead."""
        if self._pooled is None or self._fresh is None:
            raise ProcessorUnavailable("The picture's maker is not connected.")
        target = URL(self.url + ask.target, encoded=True)
        try:
            return await asked(self._pooled, self._fresh, partial(_request, target, ask.body))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._tell(error)
            raise ProcessorUnavailable from error
        except LOST as error:
            self._tell(error)
            raise AnswerLost from error

    def _tell(self, error: Exception) -> None:
        _log.warning(
            "an Imaginary server cannot be reached",
            extra={"engine": self.host, "reason": str(error) or type(error).__name__},
        )

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
            if received > self._bounds.max_bytes:
                raise too_large(received, self._bounds.max_bytes)
            yield piece
            if response.content.at_eof() and response.content.exception() is None:
                return  # the framing's own end: nothing to wait for
            with at_the_edge():
                async with asyncio.timeout_at(min(loop.time() + self._bounds.stall, deadline)):
                    piece = await response.content.read(CHUNK)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        total = self._bounds.timeout
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=self._connect),
            headers={"Accept-Encoding": "identity", "User-Agent": "imcaxy"},
            trace_configs=[noting_reuse()],
        )

    def _learn_version(self, response: aiohttp.ClientResponse) -> None:
        told = response.headers.get("Server", "")
        if told.startswith("imaginary "):
            self.version = told.removeprefix("imaginary ")


async def _request(
    target: URL, body: bytes | None, session: aiohttp.ClientSession, connection: SimpleNamespace
) -> aiohttp.ClientResponse:
    if body is None:
        return await session.get(
            target,
            # A cache before the origin must not hand out what was just purged (design 6.8); the
            # engine passes it on when it runs with `-forward-headers Cache-Control`.
            headers={"Cache-Control": "no-cache"},
            allow_redirects=False,
            trace_request_ctx=connection,
        )
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
def at_the_edge() -> Iterator[None]:
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
