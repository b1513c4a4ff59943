from imcaxy.invalidation.versions import MOST, NO_LASTS, Versions
from imcaxy.store.catalog.base import CONFIRMED, Cleared
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.rows import a_record


class World:
    def __init__(self) -> None:
        self.clock, self.catalog = FakeClock(), FakeCatalog()
        self.versions = Versions(self.catalog, self.clock)

    async def append(self) -> None:
        await self.catalog.append(a_record(1, commit="c0ffee"))
        self.versions.apply(1, ())


async def test_commit_counts_from_the_moment_of_its_confirmation() -> None:
    world = World()
    assert not await world.versions.answered("c0ffee")
    await world.append()
    assert not await world.versions.answered("c0ffee")
    await world.catalog.add_cleared(Cleared(1, CONFIRMED))
    assert await world.versions.answered("c0ffee")
    world.catalog.faults.fail()
    assert await world.versions.answered("c0ffee"), "a yes needs no catalog any more"


async def test_value_that_names_nothing_is_looked_up_seldom() -> None:
    world = World()
    assert not await world.versions.answered("2")
    world.catalog.rows.log[1] = a_record(1, commit="2")
    world.catalog.rows.cleared[1, CONFIRMED] = Cleared(1, CONFIRMED)
    assert not await world.versions.answered("2")
    await world.clock.advance(NO_LASTS + 0.1)
    assert await world.versions.answered("2")


async def test_catalog_that_fails_is_a_no_that_is_not_remembered() -> None:
    world = World()
    await world.append()
    await world.catalog.add_cleared(Cleared(1, CONFIRMED))
    world.catalog.faults.fail("is_answered")
    assert not await world.versions.answered("c0ffee")
    world.catalog.faults.heal()
    assert await world.versions.answered("c0ffee")


async def test_values_remembered_are_bounded() -> None:
    world = World()
    for number in range(MOST + 5):
        await world.versions.answered(str(number))
    assert len(world.versions._not) == MOST


async def test_other_log_is_asked_anew() -> None:
    world = World()
    await world.append()
    await world.catalog.add_cleared(Cleared(1, CONFIRMED))
    assert await world.versions.answered("c0ffee")
    world.catalog.rows.log.pop(1)
    world.versions.reset(0)
    assert not await world.versions.answered("c0ffee")
