"""The real program, started by its command line."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from services.place import free_port
from tests.e2e.scripted import PATIENCE
from tests.e2e.shelf import PATIENT, PEERS, STACK, LocalShelf, Shelf, shelf_of
from tests.e2e.wire import Client

ROOT = Path(__file__).resolve().parents[2]
WORKER_READY = "a worker is ready"  # which the log says of each
BOOT = 20.0  # seconds until /readyz must say yes
_POLL = 0.02  # seconds
_PLACES = {"mongo_connection_string", "minio_endpoint", "disk_limit"}


async def eventually(condition: Callable[[], bool], within: float = PATIENCE) -> None:
    """Return once the condition holds; fails the test when it does not in `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not condition():
        assert loop.time() < deadline, f"not within {within} s: {condition}"
        await asyncio.sleep(_POLL)


class Server:
    """One `imcaxy serve` on a data directory of its own, which survives restarts.

    `settings` are IMCAXY_* by their names without the prefix, in lower case. Sources on this
    machine are allowed. Standard output and error go to files beside the data.
    """

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.port = free_port()
        self.client = Client(self.port)
        self.boot = BOOT
        self.settings = {
            "data_dir": directory / "data",
            "allowed_networks": "127.0.0.0/8",
            **settings,
        }
        data = directory / "data"
        # What a test says of its catalog or of a limit of its disk, it means.
        chosen = STACK and not _PLACES & settings.keys()
        self.shelf: Shelf = shelf_of(data) if chosen else LocalShelf(data)
        self._peers: list[Server] = []
        if chosen:
            self.boot = 90.0
            patient = {**PATIENT, **self.shelf.settings}
            self.settings |= patient
            beside = {**settings, **patient, "workers": 1}
            self._peers = [Server(directory / f"peer-{n}", **beside) for n in range(PEERS)]
        self.launcher: tuple[str, ...] = ()  # a command that ends by becoming the one behind it
        self.module = "imcaxy"  # what is run with `python -m`
        self.environment: dict[str, str] = {}  # variables that are no settings
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "server.log"
        self._ready_before = 0  # workers, in runs before this one

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.kill()
        for peer in self._peers:
            await peer.__aexit__()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The program that was started last."""
        assert self._process is not None, "the server was never started"
        return self._process

    @property
    def output(self) -> str:
        """What the program has printed and logged, in all its runs."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def start(self, *arguments: str) -> None:
        """Start the program and wait until each of its workers may serve."""
        self._launch(arguments)
        await asyncio.gather(self._ready(), *(peer.begin() for peer in self._peers))

    async def workers_ready(self, count: int) -> None:
        """Return once that many workers have said so, in all runs together."""
        await eventually(lambda: self._said_ready() >= count)

    async def begin(self) -> None:
        """Start unless it runs."""
        if self._process is None:
            await self.start()

    async def stop(self, within: float = PATIENCE) -> None:
        """Stop gracefully; the program must end by itself, with status 0."""
        self.process.send_signal(signal.SIGTERM)
        assert await self.ended(within) == 0, self.output

    async def ended(self, within: float = PATIENCE) -> int:
        """The exit status, once the program has ended."""
        await eventually(lambda: self.process.poll() is not None, within)
        return self.process.returncode

    async def kill(self) -> None:
        """End the program and everything that it started, at once."""
        if self._process is None or self._process.returncode is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        await self.ended()

    async def restart(self) -> None:
        """Stop gracefully and start again on the same data and port."""
        await self.stop()
        await self.start()

    def rss(self) -> int:
        """Resident bytes of the program and all that it started."""
        return sum(_resident(pid) for pid in [self.process.pid, *_descendants(self.process.pid)])

    def connections(self) -> int:
        """Established connections of clients, as the kernel sees them."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        here = f":{self.port:04X}"
        return sum(row[1].endswith(here) and row[3] == "01" for row in rows)

    def descriptors(self) -> int:
        """Open files and sockets of the program, its children left out."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def gauge(self, name: str) -> float:
        """The sum of a metric over its labels; fails when there is no such metric."""
        text = (await self.client.get("/metrics")).body.decode()
        lines = [line for line in text.splitlines() if line.partition("{")[0].split(" ")[0] == name]
        assert lines, f"no metric {name} in:\n{text}"
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _launch(self, arguments: tuple[str, ...]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._ready_before = self._said_ready()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        chosen = {f"IMCAXY_{name.upper()}": str(value) for name, value in self.settings.items()}
        with self._log.open("ab") as log:
            program = (sys.executable, "-m", self.module, "serve")
            self._process = subprocess.Popen(
                [*self.launcher, *program, *self._address(), *arguments],
                cwd=self.directory,
                env={**kept, **chosen, **self.environment, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _address(self) -> tuple[str, ...]:
        return ("--host", "127.0.0.1", "--port", str(self.port))

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.boot
        while not (self._all_ready() and await self._serves()):
            assert self.process.poll() is None, f"the server did not start:\n{self.output}"
            assert loop.time() < deadline, f"the server is not ready:\n{self.output}"
            await asyncio.sleep(_POLL)

    def _all_ready(self) -> bool:
        """Whether all workers are; a server ends when one of them dies before that."""
        count = int(str(self.settings.get("workers", 1)))
        return count == 1 or self._said_ready() - self._ready_before >= count

    def _said_ready(self) -> int:
        return self.output.count(WORKER_READY)

    async def _serves(self) -> bool:
        try:
            return (await self.client.get("/readyz")).status == 200
        except OSError:
            return False


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
