"""A site whose files are in git: it is deployed from a commit, and purged by the CI tool."""

import asyncio
import json
import os
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyvips

from tests.e2e.harness import Answer, ScriptedServer, Server
from tests.e2e.scripted import PATIENCE
from tests.e2e.server import ROOT
from tests.invalidator.gits import Work

TOKEN = "a-token-of-the-test"  # noqa: S105 - of this test's own server
FOLDER = "public/"
HIT = "Imcaxy; hit"
RUN = 180.0  # seconds that a run of the tool may take


def picture(version: int) -> bytes:
    """A PNG whose every pixel has this grey value, 0 to 255."""
    size = 16

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + bytes([version]) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@dataclass(frozen=True)
class Seen:
    """What a visitor got: the picture's version, or the status where there was no picture."""

    version: int | None
    status: int
    hit: bool


@dataclass(frozen=True)
class Ended:
    """One run of the CI tool."""

    code: int
    document: dict[str, Any]
    said: str


@dataclass
class Site:
    """An origin that publishes `public/` of a work tree, and Imcaxy before it."""

    origin: ScriptedServer
    server: Server
    work: Work
    aliases: dict[str, str] = field(default_factory=dict)  # other names that the origin knows
    _published: set[str] = field(default_factory=set)

    def write(self, version: int, *names: str | bytes) -> None:
        """Pictures of this version in `public/`, not committed yet."""
        for name in names:
            self.work.write(os.fsencode(FOLDER) + os.fsencode(name), picture(version))

    def deploy(self) -> None:
        """Publish what `public/` holds, by names of bytes; what is gone is 404 again."""
        for path in self._published:
            self.origin.script(path)
        self._published.clear()
        here = self.work.directory / FOLDER
        for file in here.rglob("*"):
            if file.is_file() and ".git" not in file.parts:
                self._publish(str(file.relative_to(here)), file.read_bytes())
        for other, name in self.aliases.items():
            self._publish(other, (here / name).read_bytes())

    def _publish(self, name: str, body: bytes) -> None:
        path = f"/{quote(os.fsencode(name))}"
        self.origin.script(path, Answer(body))
        self._published.add(path)

    async def see(self, name: str | bytes) -> Seen:
        """Ask as a page does: the source's address, escaped once for itself, once as a value."""
        source = f"{self.origin.url}/{quote(os.fsencode(name))}"
        target = f"/imaginary/resize?width=8&type=png&url={quote(source, safe='')}"
        reply = await self.server.client.get(target)
        hit = reply.headers.get("cache-status", "").startswith(HIT)
        if reply.status != 200:
            return Seen(None, reply.status, hit)
        image = pyvips.Image.new_from_buffer(reply.body, "")
        return Seen(round(image.avg()), 200, hit)

    async def warm(self, *names: str | bytes) -> None:
        """Have these kept: the second answer for each is a hit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        for name in names:
            while not (seen := await self.see(name)).hit:
                assert seen.status == 200, seen
                assert loop.time() < deadline, "never a hit"
                await asyncio.sleep(0.02)

    async def publish(self, *options: str, work: Work | None = None) -> Ended:
        """Deploy, then purge, as a CI job does; the purge must be done."""
        self.deploy()
        ended = await self.purge(*options, work=work)
        assert ended.code == 0, ended
        return ended

    async def purge(self, *options: str, work: Work | None = None) -> Ended:
        """Run the CI tool to its end."""
        return await ended(await self.purging(*options, work=work))

    async def purging(self, *options: str, work: Work | None = None) -> asyncio.subprocess.Process:
        """Start the CI tool."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "invalidator")}
        environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        environment["IMCAXY_INVALIDATOR_TOKEN"] = TOKEN
        told = ["--server", self.server.url, "--map", f"public/={self.origin.url}/"]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "imcaxy_invalidator", *told, "--project", "shop", "--json"),
            *options,
            cwd=(work or self.work).directory,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def last_commit(self) -> str | None:
        """The project's commit, as the server says it."""
        reply = await self.server.client.get(
            "/latestInvalidation?projectName=shop", headers=[("Authorization", f"Bearer {TOKEN}")]
        )
        assert reply.status in {200, 404}, reply.body
        document = json.loads(reply.body)
        return document["commitHash"] if reply.status == 200 else None


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """What a run said, once it has ended; it is killed when it does not end."""
    try:
        out, said = await asyncio.wait_for(process.communicate(), RUN)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    document = json.loads(out) if out else {}
    return Ended(process.returncode, document, said.decode(errors="replace"))


@asynccontextmanager
async def site(directory: Path, **settings: object) -> AsyncIterator[Site]:
    """A site with nothing on it, and a server that keeps failures for as long as it may."""
    settings = {"invalidate_security_token": TOKEN, **settings}
    work = Work.init(directory / "work")
    async with ScriptedServer() as origin, Server(directory / "server", **settings) as server:
        yield Site(origin, server, work)
