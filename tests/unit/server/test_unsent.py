import asyncio
import socket
from typing import cast

from imcaxy.server.exchange import Ending
from imcaxy.server.unsent import Unsent
from tests.fakes.wire import pass_time, until


class Slow(asyncio.Protocol):
    """A server's end whose client takes what the test takes."""

    def __init__(self) -> None:
        self.ends: list[tuple[Ending, int]] = []
        self.unsent: Unsent | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def write(self, size: int, timeout: float) -> None:
        self.transport.set_write_buffer_limits(high=0)
        self.transport.write(bytes(size))
        self.unsent = Unsent(self.transport, timeout, lambda *end: self.ends.append(end))

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True

    async def close(self) -> None:
        self.transport.abort()
        await until(lambda: self.lost)

    def resume_writing(self) -> None:
        if self.unsent is not None:
            self.unsent.end("whole")


async def pair() -> tuple[Slow, socket.socket]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.setblocking(False)
    _, protocol = await asyncio.get_running_loop().create_connection(Slow, sock=ours)
    return protocol, theirs


async def drained(client: socket.socket, size: int) -> None:
    loop = asyncio.get_running_loop()
    while size > 0:
        size -= len(await loop.sock_recv(client, min(size, 65536)))


async def test_answer_that_is_taken_ends_whole() -> None:
    protocol, client = await pair()
    with client:
        protocol.write(1_000_000, timeout=10)
        await drained(client, 1_000_000)
        await until(lambda: protocol.ends)
        assert protocol.ends == [("whole", 0)]
        await protocol.close()


async def test_client_that_takes_nothing_is_cut() -> None:
    protocol, client = await pair()
    with client:
        protocol.write(1_000_000, timeout=0.05)
        await until(lambda: protocol.ends)
        ((ending, left),) = protocol.ends
        assert ending == "cut"
        assert 0 < left < 1_000_000
        assert protocol.transport.is_closing()
        await protocol.close()


async def test_client_that_goes_on_is_given_the_time_again() -> None:
    protocol, client = await pair()
    with client:
        protocol.write(400_000, timeout=0.2)
        for _ in range(4):
            await drained(client, 80_000)
            await pass_time(0.11)  # with the next, more than the time, and 64 KiB in each
        assert protocol.ends == []
        await drained(client, 80_000)
        await until(lambda: protocol.ends)
        assert protocol.ends == [("whole", 0)]
        await protocol.close()
