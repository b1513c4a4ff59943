import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import (
    InvalidationUnknown,
    InvalidationUnrecorded,
    ProjectUnknown,
    RequestReused,
)
from imcaxy.grammar.purge_keys import file_key, purge_keys
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.asked import Asked
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.purge import Purger, Report
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_record, an_entry, an_instance

URL = "https://h/a.png"
KEYS = purge_keys([Source("url", URL)])
ASKED = Asked("req-1", "shop", "c0ffee", urls=(URL, "https://h/b.png"))


class World:
    def __init__(self, rows: Rows | None = None) -> None:
        self.clock, self.tasks, self.catalog = FakeClock(), Tasks(), FakeCatalog(rows)
        confirming = Confirming(self.catalog, self.clock, 60.0)
        clearing = Clearing(self.catalog, confirming, self.clock)
        self.purger = Purger(
            self.catalog, confirming, clearing, self.clock, self.tasks, timeout=5.0
        )

    async def purge(self, asked: Asked = ASKED) -> Report:
        purging = asyncio.gather(self.purger.purge(asked))
        for _ in range(20):
            await settle()
            if purging.done():
                break
            await self.clock.advance(1)
        return (await purging)[0]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    world.catalog.faults.heal()
    await world.tasks.drain(0.0)


async def test_purge_is_one_record_and_says_what_it_hit(world: World) -> None:
    await world.catalog.insert_entry(an_entry("one", keys=KEYS))
    await world.catalog.insert_entry(an_entry("two", signature="2", keys=KEYS))
    report = await world.purge()
    assert report.unconfirmed == ()
    assert report.counts == {URL: 2, "https://h/b.png": 0}
    assert report.removed == 2
    assert (report.record.number, report.record.project, report.record.commit) == (
        1,
        "shop",
        "c0ffee",
    )
    assert report.record.keys == tuple(file_key(Source("url", url)) for url in ASKED.urls)
    await world.clock.advance(1)
    assert not world.catalog.rows.entries
    status = await world.purger.status(1)
    assert (status.cleared, status.removed) == (True, 2)


async def test_same_call_again_is_a_success_that_removes_nothing(world: World) -> None:
    await world.catalog.insert_entry(an_entry(keys=KEYS))
    await world.purge()
    again = await world.purge(Asked("req-2", "shop", "c0ffee", urls=(URL,)))
    assert (again.record.number, again.removed) == (2, 0)


async def test_call_repeated_with_its_request_is_the_same_record(world: World) -> None:
    first = await world.purge()
    again = await world.purge()
    assert again.record == first.record
    assert len(world.catalog.rows.log) == 2


async def test_request_of_another_invalidation_is_refused(world: World) -> None:
    await world.purge()
    with pytest.raises(RequestReused):
        await world.purge(Asked("req-1", "shop", "c0ffee", urls=("https://h/other.png",)))


async def test_lost_answer_is_found_by_the_repeated_call(world: World) -> None:
    """The engine wrote the record, and its answer was lost."""
    append = world.catalog.append
    world.catalog.rows.log[1] = a_record(1, "by another")

    async def lost(record: object) -> bool:
        await append(record)  # type: ignore[arg-type] # the very record
        world.catalog.append = append  # type: ignore[method-assign] # once
        return False

    world.catalog.append = lost  # type: ignore[method-assign] # the engine's answer is lost
    report = await world.purge()
    assert report.record.number == 2
    assert len(world.catalog.rows.log) == 3


async def test_number_taken_meanwhile_is_tried_again_with_the_next(world: World) -> None:
    other = World(world.catalog.rows)
    world.catalog.faults.hang("append")
    purging = asyncio.gather(world.purger.purge(ASKED))
    await world.catalog.faults.reached("append")
    await other.purge(Asked("req-2", urls=(URL,)))
    world.catalog.faults.heal()
    await settle()
    await world.clock.advance(1)
    assert (await purging)[0].record.number == 2
    assert sorted(world.catalog.rows.log) == [0, 1, 2]
    await other.tasks.drain(0.0)


@pytest.mark.parametrize("operation", ["append", "head", "record_of"])
async def test_record_that_may_not_be_durable_is_told_with_its_request(
    world: World, operation: str
) -> None:
    world.catalog.faults.fail(operation)
    with pytest.raises(InvalidationUnrecorded) as caught:
        await world.purge()
    assert caught.value.value == "req-1"
    assert await FakeCatalog(world.catalog.rows).latest("shop") is None


async def test_record_that_cannot_be_written_removes_nothing_and_leaves_the_commit() -> None:
    world = World()
    entry = an_entry(keys=KEYS)
    await world.catalog.insert_entry(entry)
    world.catalog.faults.fail("append")
    with pytest.raises(InvalidationUnrecorded):
        await world.purge()
    world.catalog.faults.heal()
    assert list(world.catalog.rows.entries.values()) == [entry]
    assert (world.catalog.rows.trash, world.catalog.rows.cleared) == ({}, {})
    with pytest.raises(ProjectUnknown):
        await world.purger.latest("shop")


async def test_instance_that_does_not_apply_is_named_and_nothing_is_cleared(world: World) -> None:
    await world.catalog.insert_entry(an_entry(keys=KEYS))
    await world.catalog.write_instance(an_instance(name="stopped"))
    report = await world.purge()
    assert report.unconfirmed == ("stopped",)
    await world.clock.advance(10)
    assert world.catalog.rows.entries
    assert (await world.purger.status(1)).unconfirmed == ("stopped",)
    assert (await world.purger.latest("shop")).record.commit == "c0ffee"


async def test_instances_are_listed_after_the_record_is_written(world: World) -> None:
    world.catalog.faults.hang("append")
    purging = asyncio.gather(world.purger.purge(ASKED))
    await world.catalog.faults.reached("append")
    await world.catalog.write_instance(an_instance(name="began meanwhile"))
    world.catalog.faults.heal()
    for _ in range(10):
        await world.clock.advance(1)
    assert (await purging)[0].unconfirmed == ("began meanwhile",)


async def test_this_process_applies_before_it_waits(world: World) -> None:
    await world.catalog.write_instance(an_instance("me"))

    async def apply() -> None:
        await world.catalog.write_instance(an_instance("me", applied=LogPosition(1, "req-1")))

    world.purger.at_append(apply)
    report = await world.purge()
    assert report.unconfirmed == ()


async def test_catalog_that_fails_after_the_record_leaves_it_unconfirmed(world: World) -> None:
    world.catalog.faults.fail("instances")
    report = await world.purge()
    assert report.unconfirmed
    world.catalog.faults.heal()
    assert (await world.purger.latest("shop")).record.number == 1


@pytest.mark.parametrize("operation", ["count_hits", "hits"])
async def test_counting_that_fails_costs_the_counts_only(world: World, operation: str) -> None:
    await world.catalog.insert_entry(an_entry(keys=KEYS))
    world.catalog.faults.fail(operation)
    report = await world.purge()
    assert report.unconfirmed == ()
    assert (report.counts, report.removed) == (None, None)


@pytest.mark.parametrize("operation", ["stale", "delete_entries"])
async def test_clearing_that_fails_costs_no_answer(world: World, operation: str) -> None:
    await world.catalog.insert_entry(an_entry(keys=KEYS))
    world.catalog.faults.fail(operation)
    assert (await world.purge()).unconfirmed == ()
    await world.clock.advance(1)
    assert world.catalog.rows.entries
    assert list(await world.catalog.uncleared(1, 10)) == [1]


async def test_caller_that_leaves_changes_nothing(world: World) -> None:
    world.catalog.faults.hang("append")
    purging = asyncio.gather(world.purger.purge(ASKED))
    await world.catalog.faults.reached("append")
    purging.cancel()
    await settle()
    world.catalog.faults.heal()
    await world.clock.advance(1)
    assert (await world.purger.latest("shop")).record.request == "req-1"


async def test_dry_run_counts_and_writes_nothing(world: World) -> None:
    await world.catalog.insert_entry(an_entry(keys=KEYS))
    report = await world.purger.dry_run(Asked("r", urls=(URL,), everything=True, dry_run=True))
    assert report.counts == {URL: 1, "*": 1}
    assert report.removed == 1
    assert len(world.catalog.rows.log) == 1


@pytest.mark.parametrize("number", [-1, 0, 2])
async def test_number_without_a_record_is_unknown(world: World, number: int) -> None:
    await world.purge()
    with pytest.raises(InvalidationUnknown):
        await world.purger.status(number)


async def test_project_without_an_invalidation_is_unknown(world: World) -> None:
    await world.purge(Asked("r", "blog", urls=(URL,)))
    with pytest.raises(ProjectUnknown):
        await world.purger.latest("blog")
