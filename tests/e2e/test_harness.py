"""The harness tells the endings apart: every other test here relies on that."""

import asyncio
import zlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.harness import Answer, Client, Hold, Mass, ScriptedServer, eventually, png_of

BODY = png_of(300_000)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        yield running


@pytest.mark.parametrize(
    ("answer", "endings"),
    [
        (Answer(BODY), {"whole"}),
        (Answer(BODY, framing="chunked"), {"whole"}),
        (Answer(b""), {"whole"}),
        (Answer(BODY, framing="close"), {"unframed"}),
        (Answer(BODY, end="fin"), {"short"}),
        (Answer(BODY, end="rst"), {"reset", "short"}),
        (Answer(BODY, framing="chunked", end="fin"), {"no last chunk"}),
        (Answer(BODY, framing="chunked", end="fin", half=len(BODY)), {"no last chunk"}),
        (Answer(BODY, framing="chunked", end="rst"), {"reset", "no last chunk"}),
        (Answer(BODY, announced=len(BODY) + 1, end="fin", half=len(BODY)), {"short"}),
        (Answer(end="silent"), {"no answer"}),
    ],
)
async def test_client_tells_how_a_response_ended(
    server: ScriptedServer, answer: Answer, endings: set[str]
) -> None:
    server.script("/a", answer)
    response = await Client(server.port).get("/a")
    assert response.ending in endings
    assert BODY.startswith(response.body)
    assert server.counts["/a"] == 1
    await eventually(lambda: server.open == 0)


async def test_hold_proves_that_it_stands_before_the_second_half(server: ScriptedServer) -> None:
    hold = Hold()
    server.script("/a", Answer(BODY, hold=hold))
    getting = await Client(server.port).begin("/a")
    assert await getting.read(len(BODY) // 2) == BODY[: len(BODY) // 2]
    assert hold.holding == 1
    assert server.requests[0].sent == len(BODY) // 2
    hold.release()
    assert (await getting.rest()).whole
    assert hold.holding == 0


async def test_hold_notices_a_peer_that_leaves(server: ScriptedServer) -> None:
    hold = Hold()
    server.script("/a", Answer(BODY, hold=hold))
    getting = await Client(server.port).begin("/a")
    await hold.reached()
    getting.leave(abruptly=True)
    await eventually(lambda: server.open == 0)
    assert server.requests[0].left


async def test_mass_readers_count_and_checksum_over_kept_connections(
    server: ScriptedServer,
) -> None:
    server.script("/a", Answer(BODY))
    mass = await Mass.connect(server.port, 50)
    for _ in range(2):
        mass.ask("/a")
        await asyncio.wait_for(mass.reach(), 10)
        assert mass.all(lambda reader: reader.checksum == zlib.crc32(BODY))
    assert server.counts["/a"] == 100
    assert server.open == 50
    mass.close()
    await eventually(lambda: server.open == 0)
