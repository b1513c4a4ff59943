"""What Imaginary's documents show and its clients send is answered unchanged."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.corpus import photo
from tests.e2e.harness import Answer, ScriptedOrigin, Server
from tests.parity.asking import Seen, seen
from tests.parity.examples import CLIENTS, DOCUMENTED, Example

JPEG = photo("jpeg-shipped").body


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """The address of the API and of a source."""
    async with (
        ScriptedOrigin() as origin,
        Server(tmp_path, allow_post=True) as server,
    ):
        origin.script("/photos/1.jpg", Answer(JPEG, media_type="image/jpeg"))
        yield f"{server.url}/imaginary", f"{origin.url}/photos/1.jpg"


async def answer(api: str, source: str, example: Example) -> Seen:
    async with aiohttp.ClientSession() as session:
        url = URL(f"{api}/{example.at(source)}", encoded=True)
        if not example.post:
            async with session.get(url) as got:
                return seen(got.status, got.content_type, await got.read())
        async with session.post(url, data=BytesIO(JPEG)) as raw:
            first = seen(raw.status, raw.content_type, await raw.read())
        form = aiohttp.FormData()
        form.add_field("file", JPEG, filename="tmp.jpg")
        async with session.post(url, data=form) as parts:
            second = seen(parts.status, parts.content_type, await parts.read())
        assert first == second
        return first


async def test_documented_requests_and_those_of_clients_are_answered(
    asked: tuple[str, str],
) -> None:
    for example in (*DOCUMENTED, *CLIENTS):
        found = await answer(*asked, example)
        assert found.status == 200, example.target
        assert found.media_type == example.media_type, example.target
        assert (found.width, found.height) == example.size, example.target


async def test_info_has_the_members_that_clients_read(asked: tuple[str, str]) -> None:
    api, source = asked
    async with aiohttp.ClientSession() as session, session.get(f"{api}/info?url={source}") as got:
        facts = await got.json()
    assert (facts["width"], facts["height"], facts["type"]) == (640, 427, "jpeg")
    assert (facts["space"], facts["channels"], facts["hasAlpha"]) == ("srgb", 3, False)
