"""Where built servers, their data and what is known of their processes live."""

import fcntl
import json
import os
import random
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = Path(__file__).resolve().parent / "pins"
HOST = "127.0.0.1"
PORTS = range(20_000, 30_000)


class ServiceError(Exception):
    """Why something cannot be built, started or stopped, in one sentence."""


class Place:
    """The folder of one set of servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "build", "data", "log", "run"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @classmethod
    def default(cls) -> "Place":
        """$SERVICES_DIR, or `.services` in the repository."""
        return cls(Path(os.environ.get("SERVICES_DIR") or ROOT / ".services").resolve())

    def data(self, name: str) -> Path:
        """The folder in which a server keeps what it is given."""
        return self.folder / "data" / name

    def log(self, name: str) -> Path:
        """The file of a server's output, all runs after another."""
        return self.folder / "log" / f"{name}.log"

    def run(self, name: str) -> Path:
        """The file that names a server's process."""
        return self.folder / "run" / name

    @property
    def env(self) -> Path:
        """The file of shell variables that tells the addresses of the servers that run."""
        return self.folder / "env"

    def port(self, name: str) -> int:
        """The port of a server: the same at every start, so that a restart is found again."""
        ports = self._ports()
        if name not in ports:
            ports[name] = free_port(taken=set(ports.values()))
            self._write_ports(ports)
        return ports[name]

    def forget_port(self, name: str) -> None:
        """Let the next start choose another port."""
        ports = self._ports()
        if ports.pop(name, None) is not None:
            self._write_ports(ports)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone in this folder; waits for whoever builds or starts here."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ports(self) -> dict[str, int]:
        try:
            ports: dict[str, int] = json.loads((self.folder / "ports.json").read_text())
        except FileNotFoundError:
            return {}
        return ports

    def _write_ports(self, ports: dict[str, int]) -> None:
        (self.folder / "ports.json").write_text(json.dumps(ports, indent=1) + "\n")


def free_port(taken: Collection[int] = ()) -> int:
    """A port that nobody listens on and that is not in `taken`; ServiceError when there is none.

    Below those that systems hand out by themselves, so that it is still free after a restart.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            if port not in taken:
                return port
    raise ServiceError(f"no port from {PORTS.start} on is free")


def listening(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((HOST, port)) == 0
