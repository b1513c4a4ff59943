"""nginx and Caddy before three instances, configured as docs/fleet.md tells."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.fronts import Front, Nginx, replaced
from tests.e2e.harness import (
    Answer,
    Client,
    Hold,
    Response,
    ScriptedImaginary,
    ScriptedOrigin,
    Server,
    png,
    png_of,
)
from tests.e2e.scripted import PATIENCE
from tests.e2e.server import ROOT

pytestmark = pytest.mark.slow
FRONTS = [pytest.param(name, marks=pytest.mark.needs(name.lower())) for name in ("Nginx", "Caddy")]


def snippet(language: str, ports: list[int]) -> str:
    """The configuration that docs/fleet.md shows, for instances on these ports."""
    text = (ROOT / "docs" / "fleet.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    for number, port in enumerate(ports):
        found = replaced(str(found), f"imcaxy-{number}:8080", f"127.0.0.1:{port}")
    return str(found)


class DistributingNginx(Nginx):
    ports: list[int]

    def text(self) -> str:
        return replaced(
            snippet("nginx", self.ports), "listen 80;", f"listen 127.0.0.1:{self.port};"
        )


class DistributingCaddy(Front):
    ports: list[int]

    def command(self) -> list[str]:
        text = snippet("caddy", self.ports)
        text = replaced(text, "images.example.com", f"http://127.0.0.1:{self.port}")
        config = self.directory / "Caddyfile"
        config.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
        home = (f"XDG_CONFIG_HOME={self.directory}", f"XDG_DATA_HOME={self.directory}")
        return ["env", *home, "caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


@dataclass
class Several:
    """A front, three instances, and what is behind them."""

    origin: ScriptedOrigin
    imaginary: ScriptedImaginary
    servers: list[Server]
    front: Client

    def target(self, width: int) -> str:
        """A variant's address."""
        source = quote(f"{self.origin.url}/photo.png", safe="")
        return f"/imaginary/resize?width={width}&url={source}"

    async def get(self, width: int) -> Response:
        """One exchange with the front."""
        return await self.front.get(self.target(width))


@pytest.fixture
async def several(tmp_path: Path, name: str) -> AsyncIterator[Several]:
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(ScriptedOrigin())
        imaginary = await stack.enter_async_context(ScriptedImaginary())
        imaginary.answer(Answer(png()))
        servers = [
            Server(tmp_path / str(number), imaginary_service_url=imaginary.url, processes=16)
            for number in range(3)
        ]
        for server in servers:
            await stack.enter_async_context(server)
        kind = DistributingNginx if name == "Nginx" else DistributingCaddy
        front = kind(tmp_path, 0)
        front.ports = [server.port for server in servers]
        await stack.enter_async_context(front)
        client = Client(front.port)
        stack.push_async_callback(client.close)
        yield Several(origin, imaginary, servers, client)


@pytest.mark.parametrize("name", FRONTS)
async def test_each_address_goes_to_one_instance_and_all_get_some(several: Several) -> None:
    widths = range(20, 60)
    for width in widths:
        assert (await several.get(width)).status == 200
    for width in widths:
        await hit(several, width)
    assert several.imaginary.made == len(widths)
    asked = [server.output.count('"target":"/imaginary/') for server in several.servers]
    assert min(asked) > 0


@pytest.mark.parametrize("name", FRONTS)
async def test_instance_that_dies_costs_no_request(several: Several) -> None:
    widths = range(20, 50)
    for width in widths:
        assert (await several.get(width)).status == 200
    await several.servers[1].kill()
    for width in widths:
        answer = await several.get(width)
        assert (answer.status, answer.whole) == (200, True)


@pytest.mark.parametrize("name", FRONTS)
async def test_half_of_a_picture_arrives_while_the_rest_is_being_made(several: Several) -> None:
    hold, whole = Hold(), png_of(300_000)
    several.imaginary.answer(Answer(whole, hold=hold))
    getting = await several.front.begin(several.target(70))
    await hold.reached()
    async with asyncio.timeout(PATIENCE):
        assert await getting.head() == 200
        await getting.read(100_000)
    assert hold.holding == 1
    hold.release()
    assert (await getting.rest()).body == whole


@pytest.mark.parametrize("name", FRONTS)
async def test_picture_that_breaks_off_never_ends_as_if_whole(several: Several) -> None:
    several.imaginary.answer(Answer(png_of(300_000), end="fin"))
    answer = await several.get(80)
    assert not (answer.status == 200 and answer.whole)


async def hit(several: Several, width: int) -> None:
    """The variant comes from the memory of whoever made it."""
    async with asyncio.timeout(PATIENCE):
        while "; hit" not in (await several.get(width)).headers["cache-status"]:
            await asyncio.sleep(0.02)
