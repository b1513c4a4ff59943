"""nginx and Varnish in front of a server, configured as docs/http.md tells."""

import asyncio
import getpass
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from services.place import free_port
from tests.e2e.scripted import PATIENCE
from tests.e2e.server import ROOT, eventually

_POLL = 0.02  # seconds


def snippet(language: str) -> str:
    """The configuration that docs/http.md shows in this language."""
    text = (ROOT / "docs" / "http.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def replaced(text: str, old: str, new: str) -> str:
    """`text` with its one `old` replaced."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


class Front:
    """A caching proxy of its own process; its store is empty at each start."""

    def __init__(self, directory: Path, behind: int, *arguments: str) -> None:
        """`behind` is the port of the server that is asked; `arguments` end the command line."""
        self.directory = directory / "front"
        self.port = free_port()
        self._behind = behind
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The program that was started last."""
        assert self._process is not None, "it was never started"
        return self._process

    def command(self) -> list[str]:
        """Write the configuration; the command that stays in the foreground."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start with an empty store and wait until it takes connections."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        command = [*self.command(), *self._arguments]
        log = self.directory / "front.log"
        with log.open("ab") as output:
            self._process = process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        async with asyncio.timeout(PATIENCE):
            while True:
                assert process.poll() is None, log.read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(_POLL)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """End it and everything that it started."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        await eventually(lambda: process.poll() is not None)

    async def restart(self) -> None:
        """Forget everything that was kept."""
        await self.stop()
        await self.start()


class Nginx(Front):
    def text(self) -> str:
        """The configuration that is shown, for this machine."""
        text = replaced(snippet("nginx"), "127.0.0.1:8080", f"127.0.0.1:{self._behind}")
        text = replaced(text, "listen 80;", f"listen 127.0.0.1:{self.port};")
        return replaced(text, "/var/cache/nginx/imcaxy", str(self.directory / "store"))

    def command(self) -> list[str]:
        text = self.text()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in kinds)
        config = self.directory / "nginx.conf"
        config.write_text(
            f"""daemon off;
user {getpass.getuser()};
worker_processes 1;
pid {self.directory}/pid;
error_log stderr warn;
events {{ }}
http {{
access_log off;
{temporary}
{text}
}}
"""
        )
        return ["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(config)]


class Varnish(Front):
    def command(self) -> list[str]:
        text = replaced(snippet("vcl"), '"8080"', f'"{self._behind}"')
        config = self.directory / "default.vcl"
        config.write_text(text)
        return [
            *("varnishd", "-F", "-j", "none", "-a", f"127.0.0.1:{self.port}", "-T", "none"),
            *("-f", str(config), "-n", str(self.directory / "work"), "-s", "malloc,64m"),
        ]
