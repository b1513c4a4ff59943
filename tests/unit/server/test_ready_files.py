"""Pictures in open files that the fast lane answers with, and the kernel sends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from imcaxy.clock import Clock
from imcaxy.server.listening import Listener, Patience
from imcaxy.server.policy import HttpPolicy
from imcaxy.store.blobs.open_file import OpenFile
from tests.fakes.held import HeldPictures
from tests.fakes.wire import until

TARGET = "/imaginary/resize?width=3&type=png&url=http://host/a.png"
REQUEST = f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
BODY = bytes(range(256)) * 800


class ChangedUnseen(OpenFile):
    """A file that is changed between the look at it and the sending."""

    def is_ready(self, now: float) -> bool:
        return True


class World:
    def __init__(self, path: Path, kind: type[OpenFile]) -> None:
        self.path = path
        self.pictures = HeldPictures()
        self.pictures.hold_in_file(TARGET, BODY, path, kind)
        self.lines: list[bytes] = []
        self.application = self.pictures.application(self.lines.append, HttpPolicy())
        patience = Patience(keepalive=20.0, head=20.0, body=1.0, grace=0.0)
        self.listener = Listener(self.application, Clock(), patience)

    @property
    def answered(self) -> int:
        assert self.application.lane is not None
        return self.application.lane.answered

    def shrink_send_buffers(self) -> None:
        server = self.listener._server
        assert server is not None
        for protocol in server.open:
            assert protocol.transport is not None
            own = protocol.transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=own) as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                taken.detach()


@asynccontextmanager
async def opened(
    path: Path, kind: type[OpenFile] = OpenFile
) -> AsyncIterator[tuple[World, socket.socket]]:
    world = World(path, kind)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    await world.listener.start([listening])
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, listening.getsockname())
        yield world, client
    await world.listener.drain(1.0)


async def said(client: socket.socket) -> bytes:
    """One answer, or what came of it before the connection broke."""
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(10):
        while not got.endswith(BODY):
            try:
                more = await loop.sock_recv(client, 65536)
            except ConnectionError:
                return got
            if not more:
                return got
            got += more
    return got


async def ask(client: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST)


async def test_client_that_is_slow_to_take_a_file_gets_it_whole(tmp_path: Path) -> None:
    async with opened(tmp_path / "blob") as (world, client):
        await ask(client)
        first = await said(client)
        world.shrink_send_buffers()
        await ask(client)
        await until(lambda: world.answered == 1)
        assert len(world.lines) == 1  # the second one is not taken yet
        assert await said(client) == first
        await until(lambda: len(world.lines) == 2)
    assert first.endswith(BODY)
    assert b'"ended":"whole"' in world.lines[1]
    assert b'"bytes":%d,' % len(BODY) in world.lines[1]


async def test_file_that_was_changed_is_left_to_the_normal_road(tmp_path: Path) -> None:
    async with opened(tmp_path / "blob") as (world, client):
        await ask(client)
        await said(client)
        assert world.application.lane is not None
        assert world.application.lane.find(REQUEST) is not None
        with world.path.open("ab") as file:
            file.write(b"more")
        assert world.application.lane.find(REQUEST) is None


async def test_file_whose_rest_cannot_be_had_breaks_the_connection(tmp_path: Path) -> None:
    async with opened(tmp_path / "blob", ChangedUnseen) as (world, client):
        await ask(client)
        first = await said(client)
        world.shrink_send_buffers()
        with world.path.open("ab") as file:
            file.write(b"more")
        await ask(client)
        got = await said(client)
        await until(lambda: len(world.lines) == 2)
    assert len(got) < len(first)
    assert b'"ended":"cut"' in world.lines[1]
