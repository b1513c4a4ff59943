from dataclasses import replace

import pytest

from imcaxy.errors import SourceMissing
from imcaxy.grammar.variant import LogPosition
from imcaxy.proxy.explaining import Kept, Observer, Standing, kept_of, to_json, verdict
from tests.fakes.held import HeldPictures
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance

TARGET = "/imaginary/resize?width=100&url=https://h/a/b.png"
NOTHING = Kept(None, None, None, (), False, None, "", {})
LIVE = replace(NOTHING, entry=an_entry())


@pytest.mark.parametrize(
    ("standing", "kept", "told"),
    [
        (Standing("memory"), LIVE, "hit from memory"),
        (Standing("open file"), LIVE, "hit from an open file"),
        (Standing("memory", current=False, silence=7.0), LIVE, "hit, once it has read the log"),
        (Standing("stream"), NOTHING, "miss, joins the job"),
        (Standing("nothing"), LIVE, "hit from the store"),
        (Standing("nothing", past=True), LIVE, "older than IMCAXY_MAX_ENTRY_AGE"),
        (Standing("failure", failure=SourceMissing("Gone.")), NOTHING, "error 404, remembered"),
        (Standing("failure", failure=SourceMissing("Gone.")), LIVE, "hit from the store"),
        (Standing("nothing"), NOTHING, "miss: nothing is kept"),
        (
            Standing("nothing"),
            replace(NOTHING, claim=a_claim(), owner="web/1"),
            "miss: its job is claimed by web/1",
        ),
        (
            Standing("nothing"),
            replace(NOTHING, record=a_record(3), named=("host h",), removed=True),
            "miss: invalidation 3 removed it, by host h",
        ),
    ],
)
def test_verdict_says_what_the_next_request_gets(standing: Standing, kept: Kept, told: str) -> None:
    assert told in verdict(standing, kept)


@pytest.fixture
def held() -> HeldPictures:
    return HeldPictures()


async def test_catalog_is_asked_for_entry_record_and_claim(held: HeldPictures) -> None:
    plan = held.plan(TARGET)
    keys = tuple((await kept_of(held.catalog, plan)).keys)
    assert keys[0] == "*"
    await held.catalog.insert_entry(an_entry(signature=plan.signature, keys=keys))
    await held.catalog.insert_claim(a_claim(signature=plan.signature))
    await held.catalog.write_instance(an_instance(name="web/1"))
    kept = await kept_of(held.catalog, plan)
    assert kept.entry is not None
    assert (kept.record, kept.owner) == (None, "web/1")
    assert to_json(plan, kept)["claim"] == {"number": 1, "by": "web/1", "running": True}

    await held.catalog.append(a_record(1, keys[1]))
    kept = await kept_of(held.catalog, plan)
    assert kept.entry is None
    assert kept.stale is not None
    assert kept.named == ("host h",)
    assert "removed it, by host h" in verdict(Standing("nothing"), replace(kept, claim=None))


async def test_newer_entry_of_the_same_picture_is_the_live_one(held: HeldPictures) -> None:
    plan = held.plan(TARGET)
    keys = tuple((await kept_of(held.catalog, plan)).keys)
    await held.catalog.append(a_record(1, keys[-1]))
    newer = an_entry(signature=plan.signature, keys=keys, as_of=LogPosition(1, "r1"))
    await held.catalog.insert_entry(newer)
    kept = await kept_of(held.catalog, plan)
    assert (kept.entry, kept.stale) == (newer, None)
    assert kept.record is not None
    assert kept.record.number == 1


async def test_instance_is_looked_at_without_a_use(held: HeldPictures) -> None:
    observer = Observer(held.store, held.hub, held.failures, held.follower)
    signature = held.hold(TARGET, b"picture")
    assert observer.standing(signature, None).holding == "memory"
    found = held.memory.get(signature)
    assert found is not None
    assert found.uses == 1  # of this test alone
    held.memory.drop(signature)
    assert observer.standing(signature, None).holding == "nothing"
    held.failures.note(signature, SourceMissing(), 60.0)
    assert observer.standing(signature, None).holding == "failure"
    held.hub.open(signature)
    assert observer.standing(signature, None).holding == "stream"
