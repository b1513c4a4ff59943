import asyncio

from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.clearing import PAGE, Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.removed import Removed
from imcaxy.store.catalog.base import CONFIRMED, Cleared
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_record, an_entry, an_instance

RECORD = a_record(1, "file")


class World:
    def __init__(self, rows: Rows | None = None) -> None:
        self.clock, self.catalog = FakeClock(), FakeCatalog(rows)
        self.confirming = Confirming(self.catalog, self.clock, 60.0)
        self.clearing = Clearing(self.catalog, self.confirming, self.clock)

    async def fill(self, count: int) -> None:
        for number in range(count):
            await self.catalog.insert_entry(an_entry(f"blob-{number}", signature=f"s{number}"))
        await self.catalog.append(RECORD)

    async def clear(self) -> int:
        clearing = asyncio.gather(self.clearing.clear(RECORD))
        while not clearing.done():
            await self.clock.advance(1)
        return int((await clearing)[0])


async def test_everything_hit_is_buried_and_written_down() -> None:
    world = World()
    await world.fill(PAGE + 5)
    kept = an_entry("newer", as_of=LogPosition(1, "r1"))
    await world.catalog.insert_entry(kept)
    assert await world.clear() == PAGE + 5
    assert list(world.catalog.rows.entries.values()) == [kept]
    assert len(world.catalog.rows.trash) == PAGE + 5
    pages = await world.catalog.cleared(1)
    written = [Removed.parse(text).signature for page in pages for text in page.removed]
    assert sorted(written) == sorted(f"s{number}" for number in range(PAGE + 5))
    assert [page.last for page in pages] == [False, False, True]
    assert max(len(page.removed) for page in pages) <= PAGE  # no row grows with the purge


async def test_cleared_record_is_not_cleared_again() -> None:
    world = World()
    await world.fill(1)
    await world.clear()
    await world.catalog.insert_entry(an_entry("late"))
    assert await world.clear() == 0


async def test_clearing_that_broke_off_is_finished_by_another() -> None:
    world = World()
    await world.fill(3)
    world.catalog.faults.fail("delete_entries")
    clearing = asyncio.gather(world.clearing.clear(RECORD), return_exceptions=True)
    await settle()
    await world.clock.advance(1)
    assert isinstance((await clearing)[0], CatalogError)
    assert len(world.catalog.rows.entries) == 3
    other = World(world.catalog.rows)
    assert await other.clear() == 3
    assert not world.catalog.rows.entries
    assert not await other.catalog.uncleared(1, 10)


async def test_unfinished_record_is_confirmed_and_cleared_at_the_second_look() -> None:
    world = World()
    await world.fill(1)
    await world.clearing.finish()
    assert not await world.catalog.cleared(1), "left to whoever wrote it"
    finishing = asyncio.gather(world.clearing.finish())
    await settle()
    await world.clock.advance(1)
    await finishing
    assert not world.catalog.rows.entries
    assert not await world.catalog.uncleared(1, 10)
    assert (await world.catalog.cleared(1))[0].page == CONFIRMED


async def test_record_that_somebody_lacks_is_not_cleared() -> None:
    world = World()
    await world.fill(1)
    await world.catalog.write_instance(an_instance())
    for _ in range(3):
        await world.clearing.finish()
    assert world.catalog.rows.entries
    assert not await world.catalog.cleared(1)


async def test_page_taken_by_another_is_written_under_the_next_number() -> None:
    world = World()
    await world.fill(1)
    await world.clearing.confirm(1)
    await world.clearing.confirm(1)
    world.catalog.rows.cleared[1, 1] = Cleared(1, 1, ("x y 1 z",))
    assert await world.clear() == 1
    assert [page.page for page in await world.catalog.cleared(1)] == [CONFIRMED, 1, 2, 3]
