"""A strict HTTP/1.1 client on raw sockets that tells how a response ended."""

import asyncio
import hashlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Ending = Literal["whole", "short", "no last chunk", "reset", "unframed", "no answer", "left"]
PIECE = 64 * 1024


@dataclass
class Response:
    """One answer as it was on the wire; times are the event loop's, in seconds."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    ending: Ending
    asked: float
    first: float | None  # first byte of the body
    last: float  # the ending

    @property
    def whole(self) -> bool:
        """Whether the framing said that this is all."""
        return self.ending == "whole"

    @property
    def took(self) -> float:
        """Seconds from the request to the ending."""
        return self.last - self.asked

    @property
    def first_byte(self) -> float:
        """Seconds from the request to the first byte of the body."""
        assert self.first is not None
        return self.first - self.asked


class Getting:
    """One request under way, read step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.ending: Ending | None = None
        self.asked = asyncio.get_running_loop().time()
        self.first: float | None = None
        self._chunk = 0  # bytes left of the current chunk
        self.port: int = writer.get_extra_info("sockname")[1]  # the client's

    async def head(self) -> int:
        """Read the status line and the headers; returns the status, 0 when there was no answer."""
        if self.status or self.ending:
            return self.status
        try:
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ending = "no answer"
            return 0
        first, *lines = text.split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        self.status = int(status)
        for line in lines:
            if line:
                name, colon, value = line.partition(":")
                assert colon, line
                assert name == name.strip(), line
                self.headers[name.lower()] = value.strip()
        return self.status

    async def read(self, upto: int) -> bytes:
        """The body so far, once it has `upto` bytes or has ended."""
        await self.head()
        while self.ending is None and len(self.body) < upto:
            await self._more(upto - len(self.body))
        return bytes(self.body)

    async def rest(self, *, pace: float = 0.0, piece: int = PIECE) -> Response:
        """The whole response, read in pieces with `pace` seconds between them."""
        await self.head()
        while self.ending is None:
            await self._more(piece)
            if pace:
                await asyncio.sleep(pace)
        return self.leave()

    def leave(self, *, abruptly: bool = False) -> Response:
        """Close the connection, by reset if `abruptly`; what was read so far."""
        if abruptly:
            self._writer.transport.abort()
        self._writer.close()
        return self.seen()

    def seen(self) -> Response:
        """What was read so far; the connection stays."""
        return Response(
            status=self.status,
            headers=self.headers,
            body=bytes(self.body),
            ending=self.ending or "left",
            asked=self.asked,
            first=self.first,
            last=asyncio.get_running_loop().time(),
        )

    async def _more(self, most: int) -> None:
        try:
            if "chunked" in self.headers.get("transfer-encoding", ""):
                await self._more_chunked(most)
            elif "content-length" in self.headers:
                await self._more_counted(most)
            else:
                await self._more_unframed(most)
        except asyncio.IncompleteReadError:
            self.ending = "no last chunk"
        except ConnectionError:
            self.ending = "reset"

    async def _more_counted(self, most: int) -> None:
        left = int(self.headers["content-length"]) - len(self.body)
        if left:
            piece = await self._reader.read(min(most, left))
            self._take(piece)
            left -= len(piece)
            if not piece:
                self.ending = "short"
        if not left:
            self.ending = "whole"

    async def _more_unframed(self, most: int) -> None:
        if self.status in (204, 304):
            self.ending = "whole"
            return
        piece = await self._reader.read(most)
        self._take(piece)
        if not piece:
            self.ending = "unframed"

    async def _more_chunked(self, most: int) -> None:
        if not self._chunk:
            line = await self._reader.readuntil(b"\r\n")
            self._chunk = int(line.strip(), 16)
            if not self._chunk:
                assert await self._reader.readexactly(2) == b"\r\n"
                self.ending = "whole"
                return
        piece = await self._reader.read(min(most, self._chunk))
        if not piece:
            raise asyncio.IncompleteReadError(b"", self._chunk)
        self._take(piece)
        self._chunk -= len(piece)
        if not self._chunk:
            assert await self._reader.readexactly(2) == b"\r\n"

    def _take(self, piece: bytes) -> None:
        if piece and self.first is None:
            self.first = asyncio.get_running_loop().time()
        self.body += piece


class Client:
    """Opens one connection per request to a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def close(self) -> None:
        """Break what a failed test has left open."""
        left = [writer for writer in self._writers if not writer.is_closing()]
        for writer in left:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def begin(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        receive_buffer: int | None = None,
    ) -> Getting:
        """Send one request and return without reading.

        `receive_buffer` bounds what is taken off the wire before it is asked for, in bytes.
        """
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except BaseException:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(sock=sock, limit=receive_buffer or 2 * PIECE)
        self._writers.add(writer)
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        return Getting(reader, writer)

    async def get(self, target: str, *, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """One whole exchange."""
        getting = await self.begin(target, headers=headers)
        return await getting.rest()

    async def get_many(self, target: str, count: int) -> list[Response]:
        """`count` exchanges at once."""
        return list(await asyncio.gather(*(self.get(target) for _ in range(count))))

    async def raw(self, request: bytes) -> bytes:
        """Everything that the server sends until it closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        received = bytearray()
        try:
            while piece := await reader.read(PIECE):
                received += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return bytes(received)


def digest(body: bytes) -> str:
    """SHA-256 in hex, for assertions that do not print megabytes."""
    return hashlib.sha256(body).hexdigest()
