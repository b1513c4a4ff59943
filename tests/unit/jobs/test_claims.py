import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from imcaxy.errors import CatalogError, SourceMissing
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.jobs import outcome as outcomes
from imcaxy.jobs.claims import LEASE, Claims, Wanted
from imcaxy.jobs.slots import Abandoned
from imcaxy.store.breaker import PAUSE, RECENT
from imcaxy.store.catalog.base import Claim, LogRecord
from imcaxy.store.kept import Kept
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle


class Instances:
    """Several instances that share one catalog and one clock."""

    def __init__(self) -> None:
        self.rows, self.clock, self.tasks = Rows(), FakeClock(), Tasks()
        self.kept: Kept | None = None
        self.nobody = False
        self.outdated = False
        self.begun = 0

    def claims(self, name: str) -> Claims:
        catalog = FakeCatalog(self.rows)
        return Claims(catalog, name, self.clock, self.tasks, jitter=lambda: 0.5)

    def wanted(self, blob: str = "blob") -> Wanted:
        async def look_up() -> Kept | None:
            return self.kept

        async def position() -> LogPosition:
            return LOG_START

        def begin() -> LogPosition:
            self.begun += 1
            return LOG_START

        return Wanted(
            signature="sig",
            keys=("key",),
            applied=LOG_START,
            begin=begin,
            position=position,
            blob=blob,
            look_up=look_up,
            abandoned=lambda: self.nobody,
            outdated=lambda: self.outdated,
        )

    async def taken(self, name: str, blob: str = "blob") -> Claim:
        claim = await self.claims(name).take(self.wanted(blob))
        assert isinstance(claim, Claim)
        return claim


def kept() -> Kept:
    return object.__new__(Kept)


async def test_first_claim_is_number_one_and_names_its_blob() -> None:
    claim = await Instances().taken("a", "name")
    assert (claim.number, claim.by, claim.blob, claim.keys) == (1, "a", "name", ("key",))


async def test_second_instance_waits_and_gets_the_entry_of_the_first() -> None:
    world = Instances()
    claim = await world.taken("a")
    second = asyncio.gather(world.claims("b").take(world.wanted()))
    await settle()
    assert not second.done()
    world.kept = kept()
    await world.claims("a").end(claim, outcomes.KEPT)
    await world.clock.advance(1)
    assert (await second)[0] is world.kept


async def test_waiter_shares_the_failure_of_the_owner() -> None:
    world = Instances()
    claim = await world.taken("a")
    second = asyncio.gather(world.claims("b").take(world.wanted()), return_exceptions=True)
    await settle()
    await world.claims("a").end(claim, outcomes.failed(SourceMissing("gone"), 0.0))
    await world.clock.advance(1)
    assert isinstance((await second)[0], SourceMissing)


async def test_newcomer_gets_a_fresh_failure_and_retries_an_old_one() -> None:
    world = Instances()
    claim = await world.taken("a")
    until = world.clock.now() + 10
    await world.claims("a").end(claim, outcomes.failed(SourceMissing("gone"), until))
    with pytest.raises(SourceMissing):
        await world.taken("b")
    await world.clock.advance(10.1)
    assert (await world.taken("b")).number == 2


async def test_dropped_job_is_taken_over_by_the_waiter() -> None:
    world = Instances()
    claim = await world.taken("a")
    second = asyncio.gather(world.taken("b", "other"))
    await settle()
    await world.claims("a").end(claim, outcomes.DROPPED)
    await world.clock.advance(1)
    assert (await second)[0].number == 2


async def test_owner_that_left_is_taken_over_at_once() -> None:
    world = Instances()
    await world.taken("a")
    world.rows.gone.add("a")
    assert (await world.taken("b")).number == 2
    assert world.clock.sleepers == 0


async def test_owner_that_dies_while_others_wait_is_taken_over_by_one() -> None:
    world = Instances()
    first = await world.taken("a")
    waiters = [asyncio.gather(world.taken(name)) for name in "bcd"]
    await settle()
    world.rows.gone.add("a")
    await world.clock.advance(1)
    done = [(await waiter)[0] for waiter in waiters if waiter.done()]
    assert [claim.number for claim in done] == [2]
    assert first.number == 1
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)


async def test_silent_owner_is_taken_over_after_the_lease_and_not_before() -> None:
    world = Instances()
    await world.taken("a")
    second = asyncio.gather(world.taken("b"))
    await settle()
    await world.clock.advance(LEASE - 0.5)
    assert not second.done()
    await world.clock.advance(1.0)
    assert (await second)[0].number == 2


class Pausing(FakeCatalog):
    """Pauses its process, once, between a read and what is made of it; the owner goes on."""

    def __init__(self, world: Instances, owners: Claim) -> None:
        super().__init__(world.rows)
        self._clock, self._owners, self.paused = world.clock, owners, False

    async def claims(self, signature: str) -> Sequence[Claim]:
        found = await super().claims(signature)
        if self._clock.slept.is_set() and not self.paused:
            self.paused = True
            await self.beat(self._owners, 1)
            self._clock.suspend(LEASE)
        return found


async def test_waiter_that_was_paused_after_its_read_does_not_call_the_owner_silent() -> None:
    world = Instances()
    catalog = Pausing(world, await world.taken("a"))
    claims = Claims(catalog, "b", world.clock, world.tasks, jitter=lambda: 0.5)
    second = asyncio.gather(claims.take(world.wanted()))
    await settle()
    await world.clock.advance(1.0)
    await world.clock.advance(1.0)
    assert catalog.paused
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_beating_owner_is_waited_for_however_long() -> None:
    world = Instances()
    owner = world.claims("a")
    claim = await world.taken("a")
    async with owner.held(claim):
        second = asyncio.gather(world.taken("b"))
        await settle()
        for _ in range(20):
            await world.clock.advance(1.0)
        assert not second.done()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    await settle()
    assert len(world.tasks) == 0


async def test_beat_survives_a_catalog_that_fails() -> None:
    world = Instances()
    catalog = FakeCatalog(world.rows)
    owner = Claims(catalog, "a", world.clock, world.tasks)
    claim = await world.taken("a")
    catalog.faults.fail("beat")
    async with owner.held(claim):
        await settle()
        await world.clock.advance(2.0)
        catalog.faults.heal()
        await world.clock.advance(1.0)
        assert world.rows.claims["sig", 1].beat == 3
    await settle()


async def test_claim_of_an_invalidated_source_is_taken_over() -> None:
    world = Instances()
    await world.taken("a")
    second = asyncio.gather(world.taken("b"))
    await settle()
    world.rows.log[1] = LogRecord(1, "purge", ("key",), (), "", "", 0.0)
    await world.clock.advance(1.0)
    assert (await second)[0].number == 2


async def test_claim_is_not_taken_over_for_another_sources_invalidation() -> None:
    world = Instances()
    await world.taken("a")
    second = asyncio.gather(world.taken("b"))
    await settle()
    world.rows.log[1] = LogRecord(1, "purge", ("other",), (), "", "", 0.0)
    await world.clock.advance(1.0)
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_waiter_that_nobody_waits_for_gives_up() -> None:
    world = Instances()
    await world.taken("a")
    second = asyncio.gather(world.taken("b"), return_exceptions=True)
    await settle()
    world.nobody = True
    await world.clock.advance(1.0)
    assert isinstance((await second)[0], Abandoned)


async def test_winner_looks_up_again_before_it_works() -> None:
    world = Instances()
    world.kept = kept()
    assert await world.claims("a").take(world.wanted()) is world.kept
    held = world.rows.claims["sig", 1]
    assert held.outcome is not None
    assert outcomes.parse(held.outcome).kept


async def test_winner_yields_to_a_live_claim_with_a_higher_number() -> None:
    world = Instances()
    catalog = FakeCatalog(world.rows)
    insert = catalog.insert_claim

    async def overtaken(claim: Claim) -> bool:
        won = await insert(claim)
        if claim.number == 1:
            world.rows.claims["sig", 2] = replace(claim, number=2, by="c")
        return won

    catalog.insert_claim = overtaken  # type: ignore[method-assign]  # forces the bad schedule
    first = Claims(catalog, "a", world.clock, world.tasks)
    waiting = asyncio.gather(first.take(world.wanted()))
    await settle()
    assert not waiting.done()
    assert world.rows.claims["sig", 1].outcome is not None
    world.rows.gone.add("c")
    await world.clock.advance(1.0)
    claim = (await waiting)[0]
    assert isinstance(claim, Claim)
    assert claim.number == 3


async def test_row_swept_away_while_waiting_starts_anew() -> None:
    world = Instances()
    await world.taken("a")
    second = asyncio.gather(world.taken("b"))
    await settle()
    world.rows.claims.clear()
    await world.clock.advance(1.0)
    assert (await second)[0].by == "b"


@pytest.mark.parametrize("operation", ["claims", "insert_claim", "is_gone"])
async def test_catalog_that_fails_is_told_to_the_job(operation: str) -> None:
    world = Instances()
    await world.taken("a")
    catalog = FakeCatalog(world.rows)
    catalog.faults.fail(operation)
    world.rows.gone.update({"a"} if operation == "insert_claim" else ())
    with pytest.raises(CatalogError):
        await Claims(catalog, "b", world.clock, world.tasks).take(world.wanted())


async def test_claim_that_cannot_be_written_is_not_tried_again_for_a_while() -> None:
    world = Instances()
    catalog = FakeCatalog(world.rows)
    claims = Claims(catalog, "a", world.clock, world.tasks)
    catalog.faults.fail("insert_claim")
    with pytest.raises(CatalogError):
        await claims.take(world.wanted())
    assert claims.failing
    catalog.faults.heal()
    with pytest.raises(CatalogError):
        await claims.take(world.wanted())  # left alone: nothing was asked
    await world.clock.advance(PAUSE)
    assert isinstance(await claims.take(world.wanted()), Claim)
    await world.clock.advance(RECENT)
    assert not claims.failing


async def test_outcome_that_cannot_be_written_is_no_error() -> None:
    world = Instances()
    catalog = FakeCatalog(world.rows)
    claim = await world.taken("a")
    catalog.faults.fail("end_claim")
    await Claims(catalog, "a", world.clock, world.tasks).end(claim, outcomes.KEPT)


async def test_claim_is_dropped_when_the_store_fails_before_the_work() -> None:
    world = Instances()

    async def look_up() -> Kept | None:
        raise CatalogError

    with pytest.raises(CatalogError):
        await world.claims("a").take(replace(world.wanted(), look_up=look_up))
    dropped = outcomes.DROPPED.render(world.clock.wall())
    assert world.rows.claims["sig", 1].outcome == dropped
    assert (await world.taken("b")).number == 2
    assert world.clock.sleepers == 0


async def test_own_claim_whose_outcome_was_lost_is_not_waited_for() -> None:
    world = Instances()
    await world.taken("a")
    assert (await world.taken("a")).number == 2
    assert world.clock.sleepers == 0


async def test_reading_that_failed_is_not_tried_again_at_once() -> None:
    """With an engine that hangs each try costs a deadline: one request pays it, not all."""
    world = Instances()
    catalog = FakeCatalog(world.rows)
    claims = Claims(catalog, "a", world.clock, world.tasks)
    catalog.faults.fail("claims")
    for _ in range(5):
        with pytest.raises(CatalogError):
            await claims.take(world.wanted())
    assert catalog.faults.calls["claims"] == 1
    catalog.faults.heal()
    await world.clock.advance(PAUSE)
    assert isinstance(await claims.take(world.wanted()), Claim)


async def test_first_claim_is_taken_in_one_step() -> None:
    world = Instances()
    world.rows.one_step = True
    catalog = FakeCatalog(world.rows)
    claim = await Claims(catalog, "a", world.clock, world.tasks).take(world.wanted())
    assert world.rows.claims == {("sig", 1): claim}
    assert set(catalog.faults.calls) == {"insert_first_claim"}
    assert world.begun == 1


async def test_job_that_an_invalidation_made_useless_takes_no_first_claim() -> None:
    world = Instances()
    world.rows.one_step = world.outdated = True
    with pytest.raises(Abandoned):
        await world.taken("a")
    assert not world.rows.claims


async def test_record_not_applied_yet_is_looked_at_before_the_claim() -> None:
    world = Instances()
    world.rows.one_step = True
    world.rows.log[1] = LogRecord(1, "r1", ("key",), (), "", "", 0.0)

    async def position() -> LogPosition:
        return LogPosition(1, "r1")

    claim = await world.claims("a").take(replace(world.wanted(), position=position))
    assert isinstance(claim, Claim)
    assert claim.as_of == LogPosition(1, "r1")


async def test_first_claim_that_cannot_be_written_is_told_to_the_job() -> None:
    world = Instances()
    catalog = FakeCatalog(world.rows)
    catalog.faults.fail("insert_first_claim")
    claims = Claims(catalog, "a", world.clock, world.tasks)
    with pytest.raises(CatalogError):
        await claims.take(world.wanted())
    assert claims.failing
