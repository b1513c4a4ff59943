"""What end-to-end tests are made of: scripted servers, the real program, and a strict client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.e2e.mass import Mass, MassReader
from tests.e2e.pictures import png, png_of
from tests.e2e.scripted import Answer, Hold, Request, ScriptedServer
from tests.e2e.server import Server, eventually
from tests.e2e.upstreams import ScriptedImaginary, ScriptedOrigin, failure
from tests.e2e.wire import Client, Getting, Response, digest

__all__ = [
    "Answer",
    "Client",
    "Getting",
    "Hold",
    "Mass",
    "MassReader",
    "Request",
    "Response",
    "ScriptedImaginary",
    "ScriptedOrigin",
    "ScriptedServer",
    "Server",
    "Stack",
    "digest",
    "eventually",
    "failure",
    "png",
    "png_of",
    "stack",
]


@dataclass
class Stack:
    """One Imcaxy between a scripted origin and a scripted Imaginary."""

    origin: ScriptedOrigin
    imaginary: ScriptedImaginary
    server: Server

    @property
    def client(self) -> Client:
        """A client of the server."""
        return self.server.client

    def target(self, width: int = 100, path: str = "/photo.png", operation: str = "resize") -> str:
        """The request target for a variant of a source on the scripted origin."""
        source = quote(self.origin.url + path, safe="")
        return f"/imaginary/{operation}?width={width}&url={source}"

    async def get(self, width: int = 100) -> Response:
        """One whole exchange for a variant of this width."""
        return await self.client.get(self.target(width))

    async def many(self, count: int, width: int = 100) -> list[Response]:
        """`count` exchanges at once for one variant."""
        return await self.client.get_many(self.target(width), count)

    async def begin(self, width: int = 100) -> Getting:
        """A request for a variant, not read yet."""
        return await self.client.begin(self.target(width))


@asynccontextmanager
async def stack(directory: Path, **settings: object) -> AsyncIterator[Stack]:
    """A running server that makes its pictures at a scripted Imaginary, many at the same time."""
    async with ScriptedOrigin() as origin, ScriptedImaginary() as imaginary:
        chosen = {"imaginary_service_url": imaginary.url, "processes": 64, **settings}
        server = Server(directory, **chosen)
        async with server:
            yield Stack(origin, imaginary, server)
