import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from imcaxy.errors import MalformedParameter, MissingParameter
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.purge import Purger
from imcaxy.proxy.explaining import Observer
from imcaxy.proxy.planning import Planner, Rules
from imcaxy.server.counters import Counters
from imcaxy.server.observing import Observing, asked_of
from imcaxy.server.tokens import Tokens
from imcaxy.server.vitals import Vitals
from tests.fakes.held import HeldPictures
from tests.fakes.house import House, Open

TARGET = "/imaginary/resize?width=100&url=https://h/a/b.png"
TOKEN = "Authorization: Bearer secret"  # noqa: S105 - of a test


@pytest.fixture
def held() -> HeldPictures:
    return HeldPictures()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def house(serving: Open, held: HeldPictures, counters: Counters) -> AsyncIterator[House]:
    confirming = Confirming(held.catalog, held.clock, 60.0)
    clearing = Clearing(held.catalog, confirming, held.clock)
    purger = Purger(held.catalog, confirming, clearing, held.clock, held.tasks, timeout=1.0)
    observing = Observing(
        "web/1",
        Vitals(
            counters=counters,
            memory=held.memory,
            hub=held.hub,
            jobs=held.jobs,
            slots=held.slots,
            downloads=held.downloads,
            log=held.follower,
            purger=purger,
        ),
        Planner(Rules(("webp",), 20, 5.0), held.processor),
        Observer(held.store, held.hub, held.failures, held.follower),
        held.catalog,
    )
    async with serving(extra_routes=observing.routes(Tokens(("secret",)))) as opened:
        yield opened


@pytest.mark.parametrize("target", ["/stats", f"/explain?target={quote(TARGET, safe='')}"])
async def test_inside_is_shown_to_tokens_alone(house: House, target: str) -> None:
    wire = await house.wire()
    reply = await wire.get(target)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_metrics_are_open_and_name_the_instance(
    house: House, held: HeldPictures, counters: Counters
) -> None:
    held.hold(TARGET, b"picture")
    counters.count(200, "Imcaxy; hit; detail=memory", 7)
    reply = await (await house.wire()).get("/metrics")
    assert (reply.status, reply.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    lines = reply.body.decode().splitlines()
    assert 'imcaxy_requests_total{instance="web/1",status="2xx",cache="memory"} 1' in lines
    assert 'imcaxy_sent_bytes_total{instance="web/1"} 7' in lines
    assert 'imcaxy_memory_items{instance="web/1"} 1' in lines
    names = {line.partition("{")[0] for line in lines if not line.startswith("#")}
    assert names == {line.split()[2] for line in lines if line.startswith("# TYPE")}


async def test_stats_have_the_process_and_what_is_shared(
    house: House, held: HeldPictures, counters: Counters
) -> None:
    held.hold(TARGET, b"picture")
    counters.count(200, "Imcaxy; hit; detail=memory", 7)
    wire = await house.wire()
    told = json.loads((await wire.get("/stats", TOKEN)).body)
    assert told["instance"] == "web/1"
    assert told["process"]["requests"] == {"memory": 1}
    memory = told["process"]["memory"]
    assert (memory["items"], memory["hits"], memory["bytes"]) == (1, 1, held.memory.bytes)
    assert told["process"]["jobs"] == {"all": 0, "running": 0, "waiting": 0}
    assert told["process"]["log"]["current"] is True
    assert told["catalog"]["logHead"] == 0
    told = json.loads((await wire.get("/stats?catalog=false", TOKEN)).body)
    assert "catalog" not in told


async def test_explain_says_what_this_instance_does_and_why(
    house: House, held: HeldPictures
) -> None:
    held.hold(TARGET, b"picture")
    wire = await house.wire()
    reply = await wire.get(f"/explain?target={quote(TARGET, safe='')}", TOKEN)
    told = json.loads(reply.body)
    assert (told["instance"], told["holds"]) == ("web/1", "memory")
    assert told["verdict"] == "hit from memory"
    assert (told["applied"], told["current"], told["cutOff"]) == (0, True, False)
    picture = told["picture"]
    assert picture["signature"] == held.plan(TARGET).signature
    assert picture["request"] == "/imaginary/resize?url=https%3A%2F%2Fh%2Fa%2Fb.png&width=100"
    assert "file h/a/b.png" in picture["keys"].values()


async def test_explain_chooses_by_the_accept_of_its_own_request(house: House) -> None:
    wire = await house.wire()
    target = f"/explain?target={quote(TARGET + '&type=auto', safe='')}"
    with_webp = json.loads((await wire.get(target, TOKEN, "Accept: image/webp")).body)
    without = json.loads((await wire.get(target, TOKEN, "Accept: image/png")).body)
    assert "type=webp" in with_webp["picture"]["request"]
    assert with_webp["picture"]["signature"] != without["picture"]["signature"]


@pytest.mark.parametrize("target", ["/explain", "/explain?target=%2Fhealthz"])
async def test_explain_of_what_is_no_picture_is_400(house: House, target: str) -> None:
    assert (await (await house.wire()).get(target, TOKEN)).status == 400


async def test_catalog_that_fails_is_503_and_metrics_go_on(
    house: House, held: HeldPictures
) -> None:
    held.catalog.faults.fail()
    wire = await house.wire()
    assert (await wire.get("/stats", TOKEN)).status == 503
    reply = await wire.get(f"/explain?target={quote(TARGET, safe='')}", TOKEN)
    assert reply.status == 503
    assert (await wire.get("/stats?catalog=false", TOKEN)).status == 200
    assert (await wire.get("/metrics")).status == 200


def test_whole_url_is_its_target() -> None:
    one, other = asked_of(f"https://cdn.example{TARGET}#top", None), asked_of(TARGET, None)
    assert one == other
    assert one.operation == "resize"


def test_nothing_asked_and_other_routes_are_refused() -> None:
    with pytest.raises(MissingParameter):
        asked_of("", None)
    with pytest.raises(MalformedParameter):
        asked_of("/metrics", None)
