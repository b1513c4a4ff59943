import asyncio
from dataclasses import replace

import pytest

from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.confirming import MARGIN, Confirming
from imcaxy.store.catalog.base import Instance
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import an_instance

GRACE = 60.0


class World:
    def __init__(self) -> None:
        self.clock, self.catalog = FakeClock(), FakeCatalog()
        self.confirming = Confirming(self.catalog, self.clock, GRACE)

    async def row(self, name: str, applied: int, *, left: bool = False) -> Instance:
        position = LogPosition(applied, f"r{applied}")
        row = an_instance(f"i-{name}", name=name, applied=position, left=left)
        await self.catalog.write_instance(row)
        return row


async def test_only_who_has_not_applied_is_named() -> None:
    world = World()
    await world.row("new", 3)
    await world.row("left", 1, left=True)
    await world.row("dead", 1)
    await world.row("slow", 2)
    world.catalog.rows.gone.add("i-dead")
    assert await world.confirming.unconfirmed(3, world.clock.now()) == ("slow",)


async def test_silence_beyond_the_grace_counts_as_confirmed() -> None:
    world = World()
    await world.row("silent", 0)
    since = world.clock.now()
    await world.clock.advance(GRACE + MARGIN - 1)
    assert await world.confirming.unconfirmed(1, since) == ("silent",)
    await world.clock.advance(2)
    assert await world.confirming.unconfirmed(1, since) == ()


async def test_wait_ends_when_the_last_has_applied() -> None:
    world = World()
    await world.row("one", 0)
    waiting = asyncio.gather(world.confirming.wait(1, world.clock.now(), 10))
    await settle()
    await world.clock.advance(1)
    assert not waiting.done()
    await world.row("one", 1)
    await world.clock.advance(1)
    assert (await waiting)[0] == ()


async def test_wait_names_who_is_missing_when_time_is_up() -> None:
    world = World()
    await world.row("stopped", 0)
    waiting = asyncio.gather(world.confirming.wait(1, world.clock.now(), 2))
    await settle()
    await world.clock.advance(3)
    assert (await waiting)[0] == ("stopped",)


async def test_catalog_that_recovers_within_the_wait_is_no_failure() -> None:
    world = World()
    world.catalog.faults.fail("instances")
    waiting = asyncio.gather(world.confirming.wait(1, world.clock.now(), 5))
    await settle()
    await world.clock.advance(1)
    world.catalog.faults.heal()
    await world.clock.advance(1)
    assert (await waiting)[0] == ()


async def test_catalog_that_fails_to_the_end_is_told() -> None:
    world = World()
    world.catalog.faults.fail("instances")
    waiting = asyncio.gather(world.confirming.wait(1, world.clock.now(), 1), return_exceptions=True)
    await settle()
    await world.clock.advance(2)
    assert isinstance((await waiting)[0], CatalogError)


async def test_silent_row_is_struck_off_and_one_that_beats_stays() -> None:
    world = World()
    await world.row("silent", 0)
    beating = await world.row("beating", 0)
    silent: dict[str, tuple[Instance, float]] = {}
    for turn in range(8):
        await world.confirming.strike_off(silent)
        await world.clock.advance(10)
        await world.catalog.write_instance(replace(beating, seen=float(turn)))
    assert [row.name for row in await world.catalog.instances()] == ["beating"]
    await settle()
    assert set(silent) == {"i-beating"}


async def test_row_that_went_is_forgotten_by_the_watcher() -> None:
    world = World()
    row = await world.row("gone", 0)
    silent = {row.incarnation: (row, 0.0)}
    await world.catalog.delete_instance(row.incarnation)
    await world.confirming.strike_off(silent)
    assert not silent


@pytest.mark.parametrize("operation", ["instances", "is_gone"])
async def test_failure_of_the_catalog_is_told_to_the_caller(operation: str) -> None:
    world = World()
    await world.row("one", 0)
    world.catalog.faults.fail(operation)
    with pytest.raises(CatalogError):
        await world.confirming.unconfirmed(1, world.clock.now())
