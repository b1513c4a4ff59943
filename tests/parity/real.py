"""A real Imaginary, as `make services` builds it, started for one run."""

import asyncio
import subprocess
from pathlib import Path
from typing import Self

import aiohttp

from services.place import Place, free_port
from tests import real

_PROGRAM = "SERVICES_IMAGINARY_PROGRAM"
_BOOT = 20.0  # seconds


class NoImaginary(Exception):
    """There is nothing to compare with; the message says how to get it."""

    def __init__(self) -> None:
        super().__init__(
            "There is no Imaginary to compare with: `make services SERVICES=imaginary` builds one, "
            f"or name a program with {_PROGRAM}."
        )


class Imaginary:
    """A real Imaginary of one's own, which is started again when it has crashed or hangs.

    `flags` are added to those with which it fetches sources. Raises NoImaginary.
    """

    def __init__(self, *flags: str) -> None:
        self.url = ""
        self.crashes = 0
        self._program = program()
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()

    async def revive(self) -> None:
        """Start it again if it has ended, or does not answer any more."""
        if self._process is not None and self._process.poll() is None:
            try:
                await _ready(self.url, self._process, within=2.0)
            except (TimeoutError, RuntimeError):  # it hangs, or ends at this moment
                self._end()
            else:
                return
        self.crashes += 1
        await self._start()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def _start(self) -> None:
        port = free_port()
        self._process = subprocess.Popen(
            [self._program, "-a", "127.0.0.1", "-p", str(port), "-enable-url-source", *self._flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}"
        await _ready(self.url, self._process)


def program() -> Path:
    """The program that `make services` has built, or the one that the environment names."""
    named = real.told(_PROGRAM)
    path = Path(named) if named else Place.default().folder / "bin" / "imaginary"
    if not path.is_file():
        raise NoImaginary
    return path


async def _ready(url: str, process: "subprocess.Popen[bytes]", within: float = _BOOT) -> None:
    async with asyncio.timeout(within), aiohttp.ClientSession() as session:
        while process.poll() is None:
            try:
                async with session.get(f"{url}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    message = f"Imaginary ended with status {process.returncode}"
    raise RuntimeError(message)
