"""A client on a bare socket that tells a whole answer from a broken one; h11 is its parser."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import h11

PATIENCE = 10.0  # seconds after which a test that waits has failed


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    fields: list[tuple[str, str]]
    body: bytes = b""
    whole: bool = False
    informational: list[int] = field(default_factory=list)


class Wire:
    """One connection; `reply` is strict, and says whether the body ended as its framing asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._rest = b""
        self.was_reset = False  # the server broke the connection instead of closing it

    @classmethod
    async def open(cls, port: int, receive_buffer: int | None = None) -> "Wire":
        """A connection; `receive_buffer` bounds what it takes before it is asked, in bytes."""
        if receive_buffer is None:
            return cls(*await asyncio.open_connection("127.0.0.1", port))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=receive_buffer))

    async def send(self, raw: bytes | str) -> None:
        self.writer.write(raw.encode() if isinstance(raw, str) else raw)
        await self.writer.drain()

    async def get(self, target: str, *fields: str, method: str = "GET") -> Reply:
        await self.send("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *fields, "", ""]))
        return await self.reply(method)

    async def reply(self, method: str = "GET") -> Reply:
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=256 * 1024)
        asked = b"HEAD" if method == "HEAD" else b"GET"
        parser.send(h11.Request(method=asked, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        early: list[int] = []
        got: Reply | None = None
        parts = bytearray()
        if self._rest:
            parser.receive_data(self._rest)
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError:
                if got is None or not parser.trailing_data[1]:
                    raise
                got.body = bytes(parts)
                return got
            if event is h11.NEED_DATA:
                parser.receive_data(await self._bytes())
            elif isinstance(event, h11.InformationalResponse):
                early.append(event.status_code)
            elif isinstance(event, h11.Response):
                pairs = [(n.decode().lower(), v.decode()) for n, v in event.headers]
                names = [name for name, _ in pairs]
                assert len(names) == len(set(names)), f"a field was sent twice: {names}"
                got = Reply(event.status_code, dict(pairs), pairs, informational=early)
            elif isinstance(event, h11.Data):
                assert got is not None
                parts += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert got is not None
                got.whole, got.body = True, bytes(parts)
                self._rest = parser.trailing_data[0]
                return got
            else:
                assert isinstance(event, h11.ConnectionClosed)
                raise ConnectionResetError

    async def _bytes(self) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read(65536)
        except ConnectionResetError:
            self.was_reset = True
            return b""

    async def closed(self) -> bool:
        """Whether the server has closed, with nothing more to say."""
        return self._rest == b"" and await self._bytes() == b""

    async def raw(self) -> bytes:
        """Every byte until the server closes or resets."""
        everything = self._rest
        while data := await self._bytes():
            everything += data
        return everything

    def stop_reading(self) -> None:
        """Take nothing more from the socket."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport) or hasattr(transport, "pause_reading")
        transport.pause_reading()

    def close(self) -> None:
        self.writer.transport.abort()


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds, giving the loop its turns; fails after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def pass_time(seconds: float) -> None:
    """Return when the loop's clock has gone on by so much."""
    end = asyncio.get_running_loop().time() + seconds
    await until(lambda: asyncio.get_running_loop().time() >= end)
