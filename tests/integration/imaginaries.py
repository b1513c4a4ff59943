"""The real Imaginary, started with a test's own flags, alone or without any way out."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from services.answering import http_ok
from services.place import HOST, free_port
from tests import real
from tests.e2e.server import eventually


@dataclass(frozen=True)
class Imaginary:
    """A running Imaginary."""

    url: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def suspend(self) -> None:
        """Let it answer nothing; its kernel still takes connections."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)


@asynccontextmanager
async def imaginary(
    *flags: str, host: str = HOST, port: int = 0, behind: tuple[str, ...] = ()
) -> AsyncIterator[Imaginary]:
    """An Imaginary with these flags, `behind` a command that ends by becoming it."""
    port = port or free_port()
    program = real.told("SERVICES_IMAGINARY_PROGRAM")
    with subprocess.Popen(
        [*behind, program, "-a", host, "-p", str(port), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            await eventually(lambda: http_ok(port, "/health", host))
            yield Imaginary(f"http://{host}:{port}", process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Cell:
    """A network of its own, from which only this machine can be reached, and only by one wire."""

    host: str  # its address, as this machine sees it
    outside: str  # this machine's address, as it is seen from within
    enter: tuple[str, ...]  # a command that ends by becoming the one behind it, within


@contextmanager
def cell() -> Iterator[Cell]:
    """A network namespace with one wire to this machine and no other route; needs root."""
    name = f"imcaxy-{os.getpid()}"
    wire = f"imc{os.getpid() % 100_000}"
    net = f"10.213.{os.getpid() % 250}"
    outside, host = f"{net}.1", f"{net}.2"
    steps = (
        f"link add {wire} type veth peer name inner netns {name}",
        f"addr add {outside}/30 dev {wire}",
        f"link set {wire} up",
        f"-n {name} addr add {host}/30 dev inner",
        f"-n {name} link set inner up",
        f"-n {name} link set lo up",
    )
    _ip(f"netns add {name}")
    try:
        for step in steps:
            _ip(step)
        yield Cell(host, outside, ("ip", "netns", "exec", name))
    finally:
        _ip(f"netns del {name}")


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)
