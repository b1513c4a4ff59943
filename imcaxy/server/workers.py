"""Several server processes on one port: the parent holds the sockets and replaces who dies.

Each worker has a listening socket of its own (SO_REUSEPORT), made and kept open by the parent. So a
connection that arrives while a worker is dead waits in that socket's queue for the successor and is
never refused. A worker learns of its parent's death by the end of its lifeline pipe.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imcaxy.tasks import Tasks

BACKLOG = 1024  # connections that wait for a worker
START_TIMEOUT = 30.0  # seconds until a worker that is not ready counts as failed
PAUSE = (0.1, 5.0)  # seconds before a worker that died at once is replaced: first, longest
STEADY = 5.0  # seconds that a worker must live for the pause to start anew

_log = logging.getLogger("imcaxy.workers")


def listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets that share one address; port 0 becomes one that the system chose.

    Raises OSError when the address cannot be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sockets: list[socket.socket] = []
    try:
        for _number in range(count):
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(sockets[0].getsockname() if len(sockets) > 1 else address)
            listener.listen(BACKLOG)
            listener.setblocking(False)
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets


@dataclass(slots=True, eq=False)
class Worker:
    """A running worker process and the pipe whose end tells it that the parent is gone."""

    process: asyncio.subprocess.Process
    lifeline: int
    retiring: bool = field(default=False)

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self.retiring = True
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class Supervisor:
    """Keeps one worker per socket running until it is told to stop."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        sockets: Sequence[socket.socket],
        drain_timeout: float,
    ) -> None:
        """`command` gets `--listen-fd N --ready-fd N --lifeline-fd N` appended.

        The sockets are owned, and closed by `stop`.
        """
        self._command = command
        self._environment = environment
        self._sockets = sockets
        self._drain_timeout = drain_timeout
        self._workers: dict[int, Worker] = {}  # by place, an index into the sockets
        self._running: set[Worker] = set()  # these, those that start and those that drain
        self._tasks = Tasks()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        started = await self.start()
        if started:
            await self._stopping.wait()
        else:
            _log.error("not every worker started")
        await self.stop()
        return 0 if started else 1

    async def start(self) -> bool:
        """Start every worker; whether all got ready."""
        places = range(len(self._sockets))
        return all(await asyncio.gather(*(self._start(place) for place in places)))

    async def _start(self, place: int) -> bool:
        """Start a worker in this place beside whoever is there; whether it got ready."""
        if self._stopping.is_set():
            return False
        ready, ready_end = os.pipe()
        lifeline_end, lifeline = os.pipe()
        listen = self._sockets[place].fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--listen-fd", str(listen)),
                *("--ready-fd", str(ready_end)),
                *("--lifeline-fd", str(lifeline_end)),
                pass_fds=(listen, ready_end, lifeline_end),
                env=dict(self._environment),
            )
        finally:
            os.close(ready_end)
            os.close(lifeline_end)
        worker = Worker(process, lifeline)
        self._running.add(worker)
        if self._stopping.is_set():  # told to stop while the process was being made
            worker.terminate()
        if not await _is_ready(ready):
            worker.kill()
            await self._gone(worker)
            return False
        before = self._workers.get(place)
        self._workers[place] = worker
        self._tasks.detach(self._watch(place, worker), f"worker {place}")
        if before is not None:
            before.terminate()
        _log.info("a worker is ready", extra={"place": place, "worker": process.pid})
        return True

    async def _watch(self, place: int, worker: Worker) -> None:
        """Replace the worker when it dies unasked."""
        began = asyncio.get_running_loop().time()
        status = await self._gone(worker)
        if worker.retiring or self._stopping.is_set():
            return
        _log.error("a worker died", extra={"place": place, "status": status})
        pause, longest = PAUSE
        if asyncio.get_running_loop().time() - began >= STEADY:
            pause = 0.0
        while not self._stopping.is_set() and self._workers.get(place) is worker:
            await asyncio.sleep(pause)
            if await self._start(place):
                return
            pause = min(longest, max(PAUSE[0], pause * 2))

    async def _gone(self, worker: Worker) -> int:
        """The status with which the worker ended, once it has."""
        status = await worker.process.wait()
        os.close(worker.lifeline)
        self._running.discard(worker)
        return status

    def _reload_soon(self) -> None:
        self._tasks.detach(self.reload(), "reload")

    async def reload(self) -> None:
        """Replace all workers, one after another; who cannot be replaced stays."""
        async with self._reloading:
            for place in range(len(self._sockets)):
                if self._stopping.is_set():
                    return
                before = self._workers.get(place)
                if not await self._start(place):
                    _log.error("a new worker did not start; the old one stays")
                elif before is not None:
                    await self._ended(before)

    async def stop(self) -> None:
        """Ask every worker to drain, wait for them, and kill who does not end in time.

        The sockets are closed here too: once the workers have let go of theirs, who connects is
        refused at once and need not wait for a successor that does not come.
        """
        self._stopping.set()
        for listener in self._sockets:
            listener.close()
        running = list(self._running)
        for worker in running:
            worker.terminate()
        await asyncio.gather(*(self._ended(worker) for worker in running))
        await self._tasks.drain(1.0)

    async def _ended(self, worker: Worker) -> None:
        try:
            await asyncio.wait_for(worker.process.wait(), self._drain_timeout + 5.0)
        except TimeoutError:
            _log.error("a worker did not end in time", extra={"worker": worker.process.pid})
            worker.kill()


async def _is_ready(ready: int) -> bool:
    """Whether the worker wrote to its pipe before it died or its time was up; closes the pipe."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bool] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(ready)
        if not told.done():
            told.set_result(bool(os.read(ready, 1)))

    loop.add_reader(ready, readable)
    try:
        return await asyncio.wait_for(told, START_TIMEOUT)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(ready)
        os.close(ready)


def worker_command() -> list[str]:
    """The command line of a worker of this very program."""
    return [sys.executable, "-m", "imcaxy", "worker"]
