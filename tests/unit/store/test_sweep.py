from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LogPosition
from imcaxy.jobs import outcome as outcomes
from imcaxy.store.catalog.base import Claim, Cleared
from imcaxy.store.sweep import SIGNATURE, Limits, Sweep
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance, chunks_of

LIMITS = Limits(disk_limit=1_000_000, longest_response=300.0, lease=5.0, outcome_life=60.0)


class World:
    def __init__(self) -> None:
        self.rows = Rows()
        self.catalog = FakeCatalog(self.rows)
        self.blobs = FakeBlobs()
        self.clock = FakeClock()
        self.sweep = self.another("sweeper")

    def another(self, incarnation: str) -> Sweep:
        catalog = FakeCatalog(self.rows)
        return Sweep(catalog, self.blobs, self.clock, incarnation, LIMITS)

    async def blob(self, name: str, body: bytes = b"picture") -> None:
        await self.blobs.put(name, chunks_of(body))

    async def pass_by(self, seconds: float, step: float = 60.0) -> None:
        while seconds > 0:
            await self.clock.advance(min(step, seconds))
            await self.sweep.sweep_once()
            seconds -= step


async def test_trash_is_deleted_after_the_longest_response() -> None:
    world = World()
    await world.blob("blob-1")
    await world.catalog.bury("blob-1", world.clock.wall())
    await world.clock.advance(300.0)
    await world.sweep.sweep_once()
    assert "blob-1" in world.blobs.held
    await world.clock.advance(1.0)
    assert (await world.sweep.sweep_once()).blobs == 1
    assert world.blobs.held == {}
    assert world.rows.trash == {}


async def test_trash_that_an_entry_names_keeps_its_blob_and_row() -> None:
    world = World()
    await world.blob("blob-1")
    await world.catalog.insert_entry(an_entry())
    await world.catalog.bury("blob-1", 0.0)
    assert (await world.sweep.sweep_once()).blobs == 0
    assert "blob-1" in world.blobs.held
    assert "blob-1" in world.rows.trash


class Renewing(FakeCatalog):
    """Another instance removes the entry, renewing its trash row, just before it is looked for."""

    async def named(self, blobs: Sequence[str]) -> frozenset[str]:
        for blob in blobs:
            await self.delete_entry(blob, 1_800_000_000.0)
        return await super().named(blobs)


async def test_trash_renewed_while_it_is_judged_keeps_its_blob() -> None:
    world = World()
    catalog = Renewing(world.rows)
    await world.blob("blob-1")
    await catalog.insert_entry(an_entry())
    await catalog.bury("blob-1", 0.0)
    sweep = Sweep(catalog, world.blobs, world.clock, "sweeper", LIMITS)
    assert (await sweep.sweep_once()).blobs == 0
    assert "blob-1" in world.blobs.held


async def test_dead_owners_blob_goes_through_the_trash() -> None:
    world = World()
    await world.blob("blob-1")
    await world.catalog.insert_claim(a_claim(1))
    world.rows.gone.add("incarnation-1")
    await world.sweep.sweep_once()
    assert len(world.rows.claims) == 2
    await world.pass_by(120.0)
    assert [claim.signature for claim in world.rows.claims.values()] == [SIGNATURE]
    assert set(world.rows.trash) == {"blob-1"}
    await world.pass_by(360.0)
    assert (world.blobs.held, world.rows.trash) == ({}, {})


async def test_running_claim_is_left_alone() -> None:
    world = World()
    await world.blob("blob-1")
    claim = a_claim(1)
    await world.catalog.insert_claim(claim)
    for beat in range(1, 200):
        await world.catalog.beat(claim, beat)
        await world.clock.advance(4.0)
        await world.sweep.sweep_once()
    assert ("signature", 1) in world.rows.claims
    assert "blob-1" in world.blobs.held


async def test_claim_whose_beat_stands_still_is_dead() -> None:
    world = World()
    await world.catalog.insert_claim(a_claim(1))
    await world.sweep.sweep_once()
    await world.pass_by(120.0)
    assert ("signature", 1) not in world.rows.claims
    assert set(world.rows.trash) == {"blob-1"}


async def test_finished_claim_leaves_the_blob_that_an_entry_names() -> None:
    world = World()
    await world.blob("blob-1")
    await world.catalog.insert_entry(an_entry())
    await world.catalog.insert_claim(replace(a_claim(1), outcome="{}"))
    await world.pass_by(600.0)
    assert ("signature", 1) not in world.rows.claims
    assert "blob-1" in world.blobs.held
    assert world.rows.trash == {}


async def test_last_finished_claim_stays_while_its_outcome_is_useful() -> None:
    world = World()
    for number in (1, 2):
        await world.catalog.insert_claim(replace(a_claim(number), outcome="{}"))
    await world.sweep.sweep_once()
    assert [claim.number for claim in await world.catalog.claims("signature")] == [2]
    await world.clock.advance(59.0)
    await world.sweep.sweep_once()
    assert [claim.number for claim in await world.catalog.claims("signature")] == [2]
    await world.clock.advance(1.0)
    await world.sweep.sweep_once()
    assert not await world.catalog.claims("signature")


async def test_inert_entries_are_left_to_the_invalidation_that_is_not_cleared() -> None:
    """It counts them, and keeps a list of what went."""
    world = World()
    await world.catalog.insert_entry(an_entry())
    await world.catalog.append(a_record(1, "other"))
    await world.catalog.append(a_record(2, "file"))
    await world.catalog.add_cleared(Cleared(1, 1, last=True))
    for _ in range(2):
        assert (await world.sweep.sweep_once()).inert == 0
    await world.catalog.add_cleared(Cleared(2, 1, last=True))
    assert (await world.sweep.sweep_once()).inert == 1


async def test_inert_entries_are_buried() -> None:
    world = World()
    await world.catalog.insert_entry(an_entry())
    await world.catalog.append(a_record(1, "file"))
    await world.catalog.add_cleared(Cleared(1, 1, last=True))
    await world.catalog.insert_entry(
        an_entry("blob-2", signature="other", as_of=LogPosition(1, "r1"))
    )
    assert (await world.sweep.sweep_once()).inert == 1
    assert set(world.rows.entries) == {"blob-2"}
    assert set(world.rows.trash) == {"blob-1"}


async def fill(world: World, count: int, first: int = 0, size: int = 50_000) -> None:
    for number in range(first, count):
        name = f"blob-{number}"
        used = world.clock.wall() - 1000.0 * (1 + number)
        entry = an_entry(name, bytes(size), signature=name, used=used)
        await world.catalog.insert_entry(entry)


async def test_above_the_high_mark_the_least_worth_goes_down_to_the_low_one() -> None:
    world = World()
    await fill(world, 16)
    assert (await world.sweep.sweep_once()).evicted == 0
    await fill(world, 17, first=16)
    swept = await world.sweep.sweep_once()
    assert swept.evicted == 3
    assert swept.evicted_bytes > 3 * 50_000
    assert set(world.rows.trash) == {"blob-14", "blob-15", "blob-16"}


async def test_trash_that_is_not_gone_yet_evicts_nothing_more() -> None:
    world = World()
    await fill(world, 17)
    for evicted in (3, 0, 0):
        await world.clock.advance(10.0)
        assert (await world.sweep.sweep_once()).evicted == evicted


async def test_other_work_is_done_under_the_sweeps_claim() -> None:
    world = World()
    seen: list[bool] = []

    async def work(go_on: Callable[[], Awaitable[None]]) -> None:
        await world.clock.advance(1.0)
        await go_on()
        seen.append((await world.another("another").sweep_once()).ran)

    assert await world.sweep.in_turn(work)
    assert seen == [False]
    assert [claim.beat for claim in await world.catalog.claims(SIGNATURE)] == [1]
    assert (await world.another("another").sweep_once()).ran


async def test_gone_and_left_instances_are_removed_but_not_the_sweepers_own() -> None:
    world = World()
    world.rows.gone |= {"gone", "sweeper"}
    for instance in (
        an_instance("gone"),
        an_instance("left", left=True),
        an_instance("running"),
        an_instance("sweeper"),
    ):
        await world.catalog.write_instance(instance)
    assert (await world.sweep.sweep_once()).instances == 2
    assert set(world.rows.instances) == {"running", "sweeper"}


async def test_one_instance_sweeps_at_a_time() -> None:
    world = World()
    world.blobs.faults.hang("delete")
    await world.catalog.bury("blob-1", 0.0)
    turn = a_claim(1, signature=SIGNATURE, by="another", blob="")
    await world.catalog.insert_claim(turn)
    assert not (await world.sweep.sweep_once()).ran
    await world.catalog.end_claim(turn, "swept")
    world.blobs.faults.heal()
    assert (await world.sweep.sweep_once()).ran


async def test_sweeper_that_died_is_replaced() -> None:
    world = World()
    await world.catalog.insert_claim(a_claim(4, signature=SIGNATURE, by="another", blob=""))
    world.rows.gone.add("another")
    assert (await world.sweep.sweep_once()).ran
    assert [claim.number for claim in await world.catalog.claims(SIGNATURE)] == [5]


async def test_number_of_the_sweeps_claim_never_goes_back() -> None:
    world = World()
    for _ in range(3):
        await world.clock.advance(1000.0)
        await world.sweep.sweep_once()
    assert [claim.number for claim in await world.catalog.claims(SIGNATURE)] == [3]


async def test_sweep_does_not_remove_its_own_claim() -> None:
    world = World()
    world.rows.gone.add("sweeper")  # as if it had not registered
    limits = Limits(disk_limit=1000, longest_response=0.0, lease=0.0, outcome_life=0.0)
    sweep = Sweep(world.catalog, world.blobs, world.clock, "sweeper", limits)
    for _ in range(3):
        await sweep.sweep_once()
    assert [claim.number for claim in await world.catalog.claims(SIGNATURE)] == [3]


async def test_failed_sweep_gives_its_turn_back() -> None:
    world = World()
    catalog = FakeCatalog(world.rows)
    catalog.faults.fail("usage")
    sweep = Sweep(catalog, world.blobs, world.clock, "sweeper", LIMITS)
    with pytest.raises(CatalogError):
        await sweep.sweep_once()
    assert (await world.another("another").sweep_once()).ran


async def test_dead_writers_files_are_counted() -> None:
    world = World()

    async def remove() -> int:
        return 3

    sweep = Sweep(world.catalog, world.blobs, world.clock, "sweeper", LIMITS, remove)
    assert (await sweep.sweep_once()).unfinished == 3


async def test_claim_that_says_when_it_ended_goes_at_first_sight_once_that_is_long_ago() -> None:
    world = World()
    for number, ago in ((1, 59.0), (2, 61.0)):
        ended = outcomes.KEPT.render(world.clock.wall() - ago)
        claim = a_claim(number, signature=f"s{number}", outcome=ended)
        await world.catalog.insert_claim(claim)
    assert (await world.sweep.sweep_once()).claims == 1
    assert ("s1", 1) in world.rows.claims


async def test_blob_of_a_claim_that_kept_is_left_to_who_removes_its_entry() -> None:
    world = World()
    long_ago = world.clock.wall() - 61.0
    for number, outcome in enumerate((outcomes.KEPT, outcomes.DROPPED)):
        claim = a_claim(1, signature=f"s{number}", blob=f"blob-{number}")
        await world.catalog.insert_claim(replace(claim, outcome=outcome.render(long_ago)))
    assert (await world.sweep.sweep_once()).claims == 2
    assert set(world.rows.trash) == {"blob-1"}


async def test_more_claims_than_are_looked_at_together_all_go_in_one_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imcaxy.store.sweep._CLAIMS", 10)
    world = World()
    ended = outcomes.KEPT.render(world.clock.wall() - 61.0)
    for number in range(35):
        await world.catalog.insert_claim(a_claim(1, signature=f"s{number}", outcome=ended))
    assert (await world.sweep.sweep_once()).claims == 35


@pytest.mark.parametrize("outcome", ["swept", "{}", '{"at":null}', "[]"])
async def test_outcome_without_a_time_is_watched_for_the_time(outcome: str) -> None:
    world = World()
    await world.catalog.insert_claim(a_claim(outcome=outcome))
    assert (await world.sweep.sweep_once()).claims == 0
    await world.clock.advance(61.0)
    assert (await world.sweep.sweep_once()).claims >= 1


async def test_claims_take_a_few_seconds_of_a_sweep_and_the_next_one_goes_on() -> None:
    world = World()

    class Slow(FakeCatalog):
        async def delete_claims(self, claims: Sequence[Claim]) -> None:
            await super().delete_claims(claims)
            world.clock.suspend(1.0)

    for number in range(1000):
        claim = a_claim(1, signature=f"s{number}", blob=f"blob-{number}")
        await world.catalog.insert_claim(replace(claim, outcome=outcomes.KEPT.render(0.0)))
    await world.blob("old")
    await world.catalog.bury("old", 0.0)
    sweep = Sweep(Slow(world.rows), world.blobs, world.clock, "sweeper", LIMITS)
    first = await sweep.sweep_once()
    assert first.more
    assert 0 < first.claims < 400
    assert first.blobs == 1  # what is left does not hold up the trash
    rounds = 1
    while (await sweep.sweep_once()).more:
        rounds += 1
    assert 2 <= rounds <= 4
    assert [claim.signature for claim in world.rows.claims.values()] == [SIGNATURE]
