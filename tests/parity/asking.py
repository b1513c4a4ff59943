"""One request asked of both servers, and what each answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pyvips
from yarl import URL

from tests.e2e.scripted import Answer
from tests.e2e.server import Server
from tests.e2e.upstreams import ScriptedOrigin
from tests.parity.real import Imaginary
from tests.parity.requests import Request
from tests.parity.sources import sources

AT_ONCE = 4  # requests


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer; status 0 is a connection that ended without one."""

    status: int
    media_type: str = ""
    width: int = 0  # pixels; 0 for what is no picture
    height: int = 0
    frames: int = 1
    message: str = ""  # of an error
    body: bytes = field(default=b"", repr=False)

    def picture(self) -> pyvips.Image:
        """The pixels of the picture (its first frame), as they are stored."""
        return pyvips.Image.new_from_buffer(self.body, "", fail_on="none").copy_memory()


@dataclass(frozen=True, slots=True)
class Pair:
    """One request and its two answers."""

    request: Request
    ours: Seen
    theirs: Seen


@dataclass(frozen=True, slots=True)
class Both:
    """The two servers and the origin of their sources."""

    origin: str
    ours: str
    theirs: Imaginary
    session: aiohttp.ClientSession
    reviving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, request: Request) -> Pair:
        """The answers to one request."""
        target = f"{request.operation}?{request.query(self.origin)}"
        ours, theirs = await self.get_both(target, request.accept)
        return Pair(request, ours, theirs)

    async def get_both(self, target: str, accept: str | None = None) -> tuple[Seen, Seen]:
        """Our answer to a target without its server, and theirs."""
        ours, theirs = await asyncio.gather(
            self._get(f"{self.ours}/imaginary/{target}", accept),
            self._get(f"{self.theirs.url}/{target}", accept),
        )
        return ours, theirs

    async def ask_all(self, requests: Iterable[Request]) -> list[Pair]:
        """The answers to all of them, in their order.

        A crash of Imaginary takes the requests beside it along: those are asked again, alone.
        """
        places = asyncio.Semaphore(AT_ONCE)

        async def one(request: Request) -> Pair:
            async with places:
                pair = await self.ask(request)
                if pair.theirs.status == 0:
                    async with self.reviving:
                        await self.theirs.revive()
                return pair

        pairs = await asyncio.gather(*map(one, requests))
        for number, pair in enumerate(pairs):
            if pair.theirs.status == 0:
                await self.theirs.revive()
                pairs[number] = await self.ask(pair.request)
        return pairs

    async def _get(self, url: str, accept: str | None) -> Seen:
        headers = {} if accept is None else {"Accept": accept}
        skipped = ["Accept"] if accept is None else []
        try:
            async with self.session.get(
                URL(url, encoded=True), headers=headers, skip_auto_headers=skipped
            ) as answer:
                body = await answer.read()
                return seen(answer.status, answer.headers.get("Content-Type", ""), body)
        except (aiohttp.ClientError, TimeoutError):
            return Seen(0)


def seen(status: int, media_type: str, body: bytes) -> Seen:
    """What an answer shows."""
    if status != 200:
        return Seen(status, media_type, message=_message(body))
    if media_type == "application/json":
        return Seen(status, media_type, body=body)
    try:
        image = pyvips.Image.new_from_buffer(body, "", fail_on="none")
    except pyvips.Error:
        return Seen(status, media_type, body=body, message="not a picture")
    frames = image.get("n-pages") if image.get_typeof("n-pages") else 1
    return Seen(status, media_type, image.width, image.height, frames, body=body)


def _message(body: bytes) -> str:
    try:
        members = json.loads(body)
    except ValueError:
        return body[:100].decode("utf-8", "replace")
    return str(members.get("detail") or members.get("message"))


@asynccontextmanager
async def both(directory: Path) -> AsyncIterator[Both]:
    """An origin with every source, our server and a real Imaginary; raises NoImaginary."""
    settings = {"remember_failures": 0, "processes": 2, "process_timeout": 90}
    async with Imaginary() as theirs, ScriptedOrigin() as origin:
        for item in sources().values():
            origin.script(f"/{item.name}", Answer(item.body, media_type="image/x"))
        timeout = aiohttp.ClientTimeout(total=90)
        async with (
            Server(directory, **settings) as ours,
            aiohttp.ClientSession(timeout=timeout) as session,
        ):
            yield Both(origin.url, ours.url, theirs, session)
