"""A real Imaginary, as `make services` builds it, started for one run."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Self

import aiohttp

from tests.e2e.server import ROOT, free_port

URL = "IMAGINARY_URL"  # of one that runs already; it must allow `url=`
BINARY = "IMAGINARY_BINARY"  # path of one to start
_BUILT = ROOT / ".services" / "bin" / "imaginary"
_BOOT = 20.0  # seconds


class NoImaginary(Exception):
    """There is nothing to compare with; the message says how to get it."""

    def __init__(self) -> None:
        super().__init__(
            f"No Imaginary to compare with. `make services` builds one at {_BUILT}; or name a "
            f"program with {BINARY}, or a running server that allows url= with {URL}."
        )


class Imaginary:
    """A real Imaginary; one that was started here is started again when it has crashed.

    `flags` are added to those of one that is started. Raises NoImaginary when there is none.
    """

    def __init__(self, *flags: str) -> None:
        running = os.environ.get(URL)
        self.url = running.rstrip("/") if running and not flags else ""
        self.crashes = 0
        self._program = Path(os.environ.get(BINARY, _BUILT))
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        if not self.url and not self._program.is_file():
            raise NoImaginary

    async def __aenter__(self) -> Self:
        if not self.url:
            await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def revive(self) -> None:
        """Start it again if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            self.crashes += 1
            await self._start()

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


async def _ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(_BOOT):
        while process.poll() is None:
            try:
                async with session.get(f"{url}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    message = f"Imaginary ended with status {process.returncode}"
    raise RuntimeError(message)
