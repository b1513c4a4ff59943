import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.invalidation.follower import BEAT, Follower
from imcaxy.invalidation.ledger import Ledger
from imcaxy.store.catalog.base import Pace
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_record, an_instance

GRACE = 300.0
LATE = 2.0  # seconds, as the fake catalog says


class Watched(Ledger):
    """A ledger that counts how often everything held was forgotten."""

    forgotten = 0

    def forget(self) -> None:
        self.forgotten += 1
        super().forget()

    def reset(self, position: LogPosition) -> None:
        self.forgotten += 1
        super().reset(position)


class World:
    def __init__(self, pace: Pace | None = None, grace: float = GRACE) -> None:
        self.clock, self.tasks = FakeClock(), Tasks()
        self.catalog, self.ledger = FakeCatalog(), Watched()
        self.catalog.pace = pace or self.catalog.pace
        self.follower = Follower(
            self.catalog, self.ledger, an_instance("me"), self.clock, self.tasks, grace
        )

    async def write(self, number: int, *keys: str, request: str | None = None) -> None:
        record = a_record(number, *keys, request=request or f"r{number}")
        assert await self.catalog.append(record)

    def is_current(self) -> bool:
        return self.follower.is_current

    def cut_off(self) -> bool:
        return self.follower.cut_off

    def forgotten(self) -> int:
        return self.ledger.forgotten

    def row(self) -> LogPosition:
        return self.catalog.rows.instances["me"].applied


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.follower.start()
    yield world
    await world.tasks.drain(0.0)


async def test_start_registers_before_it_stands_at_the_head() -> None:
    world = World()
    await world.write(1, "file")
    world.catalog.faults.hang("head")
    starting = asyncio.gather(world.follower.start())
    await world.catalog.faults.reached("head")
    assert world.row() == LOG_START
    world.catalog.faults.heal()
    await starting
    assert world.row() == world.follower.position == LogPosition(1, "r1")


async def test_new_records_are_applied_in_order_and_then_told(world: World) -> None:
    world.tasks.detach(world.follower.follow(), "follow")
    await settle()
    await world.write(1, "file")
    await world.write(2, "other")
    await world.clock.advance(world.catalog.pace.poll)
    assert world.follower.position == LogPosition(2, "r2")
    assert world.row() == LogPosition(2, "r2")
    assert not world.follower.allows(["file"], LOG_START)


async def test_row_is_written_only_after_the_record_is_applied(world: World) -> None:
    await world.write(1, "file")
    world.catalog.faults.hang("write_instance")
    world.tasks.detach(world.follower.look_and_tell(), "look")
    await world.catalog.faults.reached("write_instance")
    assert world.follower.position == LogPosition(1, "r1")
    assert world.row() == LOG_START
    world.catalog.faults.heal()
    await settle()
    assert world.row() == LogPosition(1, "r1")


async def test_row_is_written_now_and_then_when_nothing_happens(world: World) -> None:
    world.tasks.detach(world.follower.follow(), "follow")
    await settle()
    seen = world.catalog.rows.instances["me"].seen
    await world.clock.advance(BEAT + 1)
    assert world.catalog.rows.instances["me"].seen > seen


async def test_row_that_could_not_be_written_is_written_later(world: World) -> None:
    world.tasks.detach(world.follower.follow(), "follow")
    await settle()
    world.catalog.faults.fail("write_instance")
    await world.write(1, "file")
    await world.clock.advance(1)
    assert world.row() == LOG_START
    world.catalog.faults.heal()
    await world.clock.advance(1)
    assert world.row() == LogPosition(1, "r1")


async def test_gap_in_the_log_is_not_crossed(world: World) -> None:
    world.catalog.rows.log[2] = a_record(2, "file")
    await world.clock.advance(LATE + 1)
    await world.follower.look_anew()
    assert world.follower.position == LOG_START
    assert not world.is_current()
    await world.write(1, "first")
    await world.follower.look_anew()
    assert world.follower.position == LogPosition(2, "r2")
    assert world.is_current()


@pytest.mark.parametrize("restored", [0, 1, 2, 3])
async def test_log_that_is_another_one_drops_everything(world: World, restored: int) -> None:
    await world.write(1, "file")
    await world.write(2, "file")
    await world.follower.look_anew()
    log = world.catalog.rows.log
    for number in (1, 2):
        del log[number]
    for number in range(1, restored + 1):
        await world.write(number, "other", request=f"restored-{number}")
    await world.follower.look_anew()
    assert world.forgotten() == 1
    assert world.follower.position == await world.catalog.head()


async def test_instance_that_was_paused_looks_before_it_answers(world: World) -> None:
    assert world.is_current()
    await world.clock.advance(LATE + 0.1)
    assert not world.is_current()
    await world.write(1, "file")
    await world.follower.catch_up()
    assert world.is_current()
    assert not world.follower.allows(["file"], LOG_START)


async def test_look_that_began_before_a_pause_is_repeated_after_it(world: World) -> None:
    """Its answer was on the way when the process was stopped: it knows nothing of what came."""
    world.catalog.faults.hang("head")
    world.tasks.detach(world.follower.look_anew(), "look")
    await world.catalog.faults.reached("head")
    await world.clock.advance(LATE + 1)
    catching_up = asyncio.gather(world.follower.catch_up())
    await settle()
    looks = world.catalog.faults.calls["head"]
    world.catalog.faults.heal()
    await catching_up
    assert world.catalog.faults.calls["head"] > looks
    assert world.is_current()
    assert not world.cut_off()


async def test_look_that_ran_out_of_time_in_a_pause_is_repeated_after_it(world: World) -> None:
    """It was under way when the process was stopped, and its deadline passed meanwhile."""
    world.catalog.faults.hang("head")
    world.tasks.detach(world.follower.look_anew(), "look")
    await world.catalog.faults.reached("head")
    await world.write(1, "file")
    world.clock.suspend(LATE + 1)
    catching_up = asyncio.gather(world.follower.catch_up())
    await settle()
    world.catalog.faults.heal()
    world.catalog.faults.fail("head")  # what was under way fails, what comes next hangs
    world.catalog.faults.hang("head")
    await settle()
    world.catalog.faults.heal()
    await catching_up
    assert world.is_current()
    assert not world.cut_off()
    assert not world.follower.allows(["file"], LOG_START)


async def test_log_that_failed_before_a_pause_is_looked_at_after_it(world: World) -> None:
    world.catalog.faults.fail("head")
    await world.clock.advance(LATE + 1)
    await world.follower.catch_up()
    assert world.cut_off()
    world.catalog.faults.heal()
    await world.write(1, "file")
    world.clock.suspend(LATE)
    await world.follower.catch_up()
    assert not world.cut_off()
    assert not world.follower.allows(["file"], LOG_START)


async def test_look_that_is_young_is_not_repeated(world: World) -> None:
    world.catalog.faults.fail("head")
    await world.follower.catch_up()
    assert not world.cut_off()


async def test_cut_off_instance_serves_until_the_grace_is_over(world: World) -> None:
    world.catalog.faults.fail("head")
    await world.clock.advance(GRACE - 1)
    await world.follower.catch_up()
    assert world.cut_off()
    assert world.forgotten() == 0
    await world.clock.advance(2)
    await world.follower.catch_up()
    assert world.forgotten() == 1
    await world.follower.catch_up()
    assert world.forgotten() == 2, "what came meanwhile may be stale too"
    world.catalog.faults.heal()
    await world.follower.look_anew()
    assert not world.cut_off()
    await world.follower.catch_up()
    assert world.forgotten() == 2


async def test_look_that_hangs_costs_a_request_a_moment_and_the_next_nothing(world: World) -> None:
    world.catalog.faults.hang("head")
    await world.clock.advance(LATE + 1)
    await asyncio.wait_for(world.follower.catch_up(), 10)
    assert world.cut_off()
    await asyncio.wait_for(world.follower.catch_up(), 0.2)
    assert world.forgotten() == 0
    world.catalog.faults.heal()


async def test_row_that_is_not_written_counts_where_the_dead_are_not_known() -> None:
    world = World()
    world.catalog.pace = Pace(poll=0.25, late=LATE, dead_are_known=False)
    await world.follower.start()
    await world.clock.advance(GRACE - 1)
    world.catalog.faults.fail("write_instance")
    await world.follower.look_and_tell()
    assert world.is_current()
    world.catalog.faults.fail("head")
    await world.clock.advance(LATE + 1)
    await world.follower.catch_up()
    assert world.forgotten() == 1, "others struck it from the list"
    await world.tasks.drain(0.0)


async def test_instance_that_reads_but_writes_no_row_forgets_when_the_grace_is_over() -> None:
    """Who is struck from the list is waited for by nobody, so a young look is not enough."""
    world = World(Pace(poll=0.25, late=LATE, dead_are_known=False))
    await world.follower.start()
    world.catalog.faults.fail("write_instance")
    await world.clock.advance(GRACE + 1)
    await world.follower.look_and_tell()
    assert not world.is_current()
    await world.follower.catch_up()
    assert world.forgotten() == 1
    assert not world.cut_off()
    world.catalog.faults.heal()
    await world.clock.advance(0.1)
    await world.follower.tell()
    assert not world.is_current(), "records before the row came unseen"
    await world.follower.look_anew()
    assert world.is_current()
    await world.tasks.drain(0.0)


async def test_look_that_began_before_the_new_row_does_not_count() -> None:
    world = World(Pace(poll=0.25, late=LATE, dead_are_known=False))
    await world.follower.start()
    await world.clock.advance(GRACE + 1)
    world.catalog.faults.hang("head")
    looking = asyncio.gather(world.follower.look_anew())
    await world.catalog.faults.reached("head")
    await world.clock.advance(0.1)
    await world.follower.tell()
    world.catalog.faults.heal()
    await looking
    assert not world.is_current()
    await world.follower.look_anew()
    assert world.is_current()
    await world.tasks.drain(0.0)


async def test_short_grace_is_told_of_more_often() -> None:
    """A row that others find unchanged for the grace and a margin is struck off."""
    world = World(Pace(poll=0.25, late=LATE, dead_are_known=False), grace=6.0)
    await world.follower.start()
    world.tasks.detach(world.follower.follow(), "follow")
    await settle()
    for _ in range(20):
        seen = world.catalog.rows.instances["me"].seen
        await world.clock.advance(3)
        assert world.catalog.rows.instances["me"].seen > seen
        assert world.is_current()
    await world.tasks.drain(0.0)


async def test_look_anew_begins_after_one_that_is_under_way(world: World) -> None:
    world.catalog.faults.hang("head")
    first = asyncio.gather(world.follower.look_anew())
    await world.catalog.faults.reached("head")
    second = asyncio.gather(world.follower.look_anew())
    await settle()
    await world.write(1, "file")
    world.catalog.faults.heal()
    await first
    await second
    assert world.follower.position == LogPosition(1, "r1")


async def test_leaving_is_written(world: World) -> None:
    await world.follower.leave()
    assert world.catalog.rows.instances["me"].left
    world.catalog.faults.fail("write_instance")
    with pytest.raises(CatalogError):
        await world.follower.leave()


async def test_many_records_are_read_page_by_page(world: World) -> None:
    for number in range(1, 2_501):
        world.catalog.rows.log[number] = a_record(number, "file")
    await world.follower.look_anew()
    assert world.follower.position == LogPosition(2_500, "r2500")
