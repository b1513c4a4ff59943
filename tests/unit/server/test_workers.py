import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imcaxy.server.workers import Supervisor, listening_sockets, worker_command
from tests.fakes.clock import settle
from tests.fakes.wire import until

PROGRAM = """
import os, select, signal, socket, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if os.path.exists(os.environ["BROKEN"]):
    sys.exit(3)
def end(*_):
    while os.path.exists(os.environ["LINGER"]):
        select.select([], [], [], 0.01)
    sys.exit(0)
listener = socket.socket(fileno=int(given["--listen-fd"]))
listener.setblocking(True)
signal.signal(signal.SIGTERM, end)
os.write(int(given["--ready-fd"]), b"1")
os.close(int(given["--ready-fd"]))
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


class World:
    def __init__(self, folder: Path, count: int) -> None:
        self.broken = folder / "broken"
        self.linger = folder / "linger"  # while it is there, workers drain
        program = folder / "worker.py"
        program.write_text(PROGRAM)
        self.sockets = listening_sockets("127.0.0.1", 0, count)
        self.port = self.sockets[0].getsockname()[1]
        environment = {
            **os.environ,
            "BROKEN": str(self.broken),
            "LINGER": str(self.linger),
        }
        command = [sys.executable, str(program)]
        self.supervisor = Supervisor(command, environment, self.sockets, 5.0)

    async def ask(self) -> int:
        """The process id of the worker that answers a new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return int(answer)

    async def everybody(self, count: int) -> set[int]:
        found: set[int] = set()
        async with asyncio.timeout(20):
            while len(found) < count:
                found.add(await self.ask())
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, 2)
    yield made
    await made.supervisor.stop()
    for listener in made.sockets:
        listener.close()


async def test_workers_share_one_port(world: World) -> None:
    assert await world.supervisor.start()
    assert len(await world.everybody(2)) == 2


async def test_worker_that_dies_is_replaced_and_no_connection_is_refused(world: World) -> None:
    assert await world.supervisor.start()
    before = await world.everybody(2)
    victim = min(before)
    running = [worker.process for worker in world.supervisor._workers.values()]
    os.kill(victim, signal.SIGKILL)
    await asyncio.gather(*(each.wait() for each in running if each.pid == victim))
    answers = [await world.ask() for _ in range(40)]
    assert victim not in answers
    after = await world.everybody(2)
    assert len(after - before) == 1


async def test_reload_replaces_every_worker(world: World) -> None:
    assert await world.supervisor.start()
    before = await world.everybody(2)
    await world.supervisor.reload()
    assert not before & await world.everybody(2)


async def test_reload_with_a_broken_program_keeps_the_old_workers(world: World) -> None:
    assert await world.supervisor.start()
    before = await world.everybody(2)
    world.broken.touch()
    await world.supervisor.reload()
    assert await world.everybody(2) == before


async def test_stop_waits_for_workers_that_a_reload_lets_drain(world: World) -> None:
    assert await world.supervisor.start()
    world.linger.touch()
    reloading = asyncio.gather(world.supervisor.reload())
    await until(lambda: len(world.supervisor._running) == 3)
    running = [worker.process for worker in world.supervisor._running]
    stopping = asyncio.gather(world.supervisor.stop())
    await settle(1)
    world.linger.unlink()
    await stopping
    assert [each.returncode is not None for each in running] == [True] * 3
    await reloading
    assert not world.supervisor._running


async def test_stop_closes_the_sockets_so_that_who_connects_is_refused(world: World) -> None:
    assert await world.supervisor.start()
    await world.supervisor.stop()
    with pytest.raises(ConnectionRefusedError):
        await world.ask()
    assert not await world.supervisor._start(0)


async def test_start_of_a_broken_program_is_a_failure(world: World) -> None:
    world.broken.touch()
    assert not await world.supervisor.start()


def test_sockets_share_the_port_that_the_system_chose() -> None:
    sockets = listening_sockets("127.0.0.1", 0, 3)
    assert len({each.getsockname() for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_sockets_on_ipv6_do_not_take_the_ipv4_port() -> None:
    (listener,) = listening_sockets("::1", 0, 1)
    assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    listener.close()


def test_sockets_on_a_taken_port_are_refused() -> None:
    (taken,) = listening_sockets("127.0.0.1", 0, 1)
    with pytest.raises(OSError, match="in use"):
        listening_sockets("127.0.0.1", taken.getsockname()[1], 1)
    taken.close()


def test_worker_command_runs_this_program() -> None:
    assert worker_command()[1:] == ["-m", "imcaxy", "worker"]
