"""A relay before a real server that hangs, resets, delays or cuts what goes through it."""

import asyncio
import contextlib
import re
import socket
import struct
from typing import Self

_PIECE = 65_536  # bytes read at once
_REQUEST = re.compile(rb"((?:GET|HEAD|PUT|POST|DELETE) /\S*) HTTP/1\.1\r\n")


class Between:
    """Relays connections to `target` (host:port); what happens to them can change at any time."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._delay = 0.0
        self._left: int | None = None  # bytes from the server until all is cut; None: no end
        self.port = 0
        self.connections = 0  # taken so far
        self.asked: list[str] = []  # request lines of HTTP that went through, without the version

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        self._abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    @property
    def address(self) -> str:
        """What clients use instead of the server's own address."""
        return f"127.0.0.1:{self.port}"

    def let_pass(self) -> None:
        """Relay everything; who hung goes on."""
        self._refusing, self._delay, self._left = False, 0.0, None
        self._open.set()

    def hang(self) -> None:
        """Take connections and bytes and give nothing on, as a stopped process does."""
        self._open.clear()

    def reset(self) -> None:
        """End every connection at once, now and later, as a machine without the server does."""
        self._refusing = True
        self._abort()

    def reset_once(self) -> None:
        """End every connection now, as a server that is restarted does."""
        self._abort()

    def delay(self, seconds: float) -> None:
        """Hold each piece that long, both ways."""
        self._delay = seconds

    def cut_after(self, size: int) -> None:
        """End every connection when that many more bytes have come from the server."""
        self._left = size

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        mine = asyncio.current_task()
        assert mine is not None
        self._tasks.add(mine)
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            back, there = await asyncio.open_connection(*self._target)
            self._writers.add(there)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, there, counted=False))
                group.create_task(self._pump(back, writer, counted=True))
        except* _EndedError:
            writer.close()
            self._writers.discard(writer)
        except* (OSError, asyncio.CancelledError):
            pass  # the streams' own callback would report a task that was cancelled
        finally:
            for each in self._writers & {writer, there}:
                _abort(each)
            self._writers -= {writer, there}
            self._tasks.discard(mine)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        while piece := await reader.read(_PIECE):
            await self._open.wait()
            if not counted:
                self.asked += [line.decode() for line in _REQUEST.findall(piece)]
            if self._delay:
                await asyncio.sleep(self._delay)
            if counted and self._left is not None:
                piece, self._left = piece[: self._left], max(0, self._left - len(piece))
            writer.write(piece)
            await writer.drain()
            if counted and self._left == 0:
                raise ConnectionResetError
        writer.write_eof()  # what is on its way still arrives
        if counted:
            raise _EndedError

    def _abort(self) -> None:
        for writer in tuple(self._writers):
            _abort(writer)


class _EndedError(Exception):
    """The server has ended the connection properly."""


def _abort(writer: asyncio.StreamWriter) -> None:
    """End with a reset, as no graceful server does."""
    with contextlib.suppress(OSError, AttributeError):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
