"""The programs that `pictures.py` compares, and what the kernel says of them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imcaxy.processors.vips.children import Program
from services.place import Place, free_port
from services.servers import SERVERS, Start
from tests.faults import processes

ROOT = Path(__file__).resolve().parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_BOOT = 60.0  # seconds


class Maker(Protocol):
    """Something that makes pictures, in a process tree of its own."""

    name: str
    process: subprocess.Popen[bytes]


@dataclass
class ServerMaker:
    """A server that is asked by URL."""

    name: str
    command: list[str]
    port: int
    path: str  # {source}, {width} and {kind} are filled in
    ready: str
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, log: Path) -> None:
        """Start and wait until it serves."""
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=_inherited() | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.perf_counter() + _BOOT
        while not _answers(f"http://127.0.0.1:{self.port}{self.ready}"):
            if time.perf_counter() > deadline or self.process.poll() is not None:
                sys.exit(f"{self.name} does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def url(self, source: str, width: int, kind: str) -> str:
        """What is asked for."""
        path = self.path.format(source=quote(source, safe=""), width=width, kind=kind)
        return f"http://127.0.0.1:{self.port}{path}"


class LoopMaker:
    """`_loop.py`, in an environment of its own."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("_loop.py"))],
            env=_inherited() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if not self._output.readline():
            sys.exit("the loop does not start")

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        return self.process.stdout

    def make(self, path: Path, width: int, kind: str, count: int) -> int:
        """Make them; the bytes of all."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with a pipe
        self.process.stdin.write(f"{path} {width} {kind} {count}\n".encode())
        self.process.stdin.flush()
        return int(self._output.readline())


def loops() -> list[LoopMaker]:
    """The loop as children of our server are started (allocator, one thread), and as anybody is."""
    return [LoopMaker("loop", Program(1 << 30).environment()), LoopMaker("plain loop", {})]


def ours(directory: Path, processes: int, *, keep: bool = True) -> ServerMaker:
    """Our server; the others keep nothing."""
    name = "imcaxy, keeping" if keep else "imcaxy"
    port = free_port()
    settings = {
        "PORT": port,
        "DATA_DIR": directory / name,
        "KEEP": str(keep).lower(),
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "PROCESSES": processes,
        "MEMORY_LIMIT": "1MiB",  # nothing is asked for twice
    }
    return ServerMaker(
        name,
        [sys.executable, "-m", "imcaxy", "serve"],
        port,
        "/imaginary/resize?width={width}&type={kind}&quality=80&url={source}",
        "/readyz",
        {f"IMCAXY_{name}": str(value) for name, value in settings.items()},
    )


def rival(name: str, directory: Path) -> ServerMaker | None:
    """Imaginary or imagor as `make services` builds and starts it; None where it is not built."""
    found = (Place.default().folder / "bin").glob(f"{name}*")  # one for each version that was built
    executable = max(found, key=lambda path: path.stat().st_mtime, default=None)
    if executable is None:
        return None
    port = free_port()
    start = Start(executable, port, directory / name)
    paths = {
        "imaginary": ("/resize?width={width}&type={kind}&quality=80&url={source}", "/health"),
        "imagor": (
            "/unsafe/{width}x0/filters:format({kind}):quality(80)/{source}",
            "/healthcheck",
        ),
    }
    command = [str(executable), *SERVERS[name].command(start)]
    return ServerMaker(name, command, port, *paths[name])


def stop(maker: Maker) -> None:
    """End it and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(maker.process.pid, signal.SIGKILL)
    maker.process.wait()


def cpu(maker: Maker) -> float:
    """Seconds of processor time of the whole tree, of processes that have ended too."""
    total = 0.0
    for pid in processes.tree(maker.process.pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / _TICKS
    return total


def memory(maker: Maker) -> tuple[int, int]:
    """Bytes in memory of the whole tree now: shared pages counted once, and in each process."""
    pids = processes.tree(maker.process.pid)
    return sum(map(processes.proportional, pids)), sum(map(processes.resident, pids))


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, of this machine
            return bool(answer.status == 200)
    except OSError:
        return False
