import asyncio
from collections.abc import Awaitable

import pytest

from imcaxy.errors import BlobError
from imcaxy.store.catalog.base import Entry
from imcaxy.store.scrub import REST, Scrub
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import an_entry, chunks_of

MIB = 1024 * 1024


async def nothing() -> None:
    return None


def never() -> bool:
    return False


class World:
    def __init__(self, rate: int = MIB) -> None:
        self.catalog = FakeCatalog()
        self.blobs = FakeBlobs()
        self.clock = FakeClock()
        self.damaged: list[tuple[str, str]] = []
        self.scrub = Scrub(self.catalog, self.blobs, self.clock, rate, self._damaged)

    async def _damaged(self, entry: Entry, fault: str) -> None:
        self.damaged.append((entry.blob, fault))

    async def keep(self, name: str, body: bytes = b"picture") -> None:
        await self.blobs.put(name, chunks_of(body))
        await self.catalog.insert_entry(an_entry(name, body, signature=name))

    async def passes(self, work: Awaitable[int], most: float = 1000.0) -> float:
        """Seconds that the work waited."""
        task = asyncio.ensure_future(work)  # noqa: TID251 - the clock is moved while it runs
        began = self.clock.now()
        await settle()
        while not task.done() and self.clock.now() - began < most:
            await self.clock.advance(0.25)
        await task
        return self.clock.now() - began


async def test_two_passes_visit_every_picture_wherever_they_begin_and_then_rest() -> None:
    world = World()
    for name in ("00", "88", "ff"):
        await world.keep(name)
    seen = await world.scrub.go_on(100, nothing, never)
    assert 3 <= seen <= 6
    assert world.scrub.rests
    await world.clock.advance(REST)
    assert await world.scrub.go_on(100, nothing, never) == 3


async def test_missing_and_damaged_pictures_are_told() -> None:
    world = World()
    for name in ("good", "short", "gone"):
        await world.keep(name)
    world.blobs.held["short"] = b"pict"
    del world.blobs.held["gone"]
    await world.scrub.go_on(100, nothing, never)
    assert set(world.damaged) == {("short", "blob-corrupt"), ("gone", "blob-missing")}


async def test_picture_that_was_evicted_meanwhile_is_not_missing() -> None:
    world = World()
    await world.keep("gone")

    async def evict() -> None:
        await world.catalog.delete_entry("gone", 0.0)
        await world.blobs.delete("gone")

    await world.scrub.go_on(100, evict, never)
    assert world.damaged == []


async def test_reading_keeps_to_its_rate() -> None:
    world = World(rate=MIB)
    await world.keep("large", bytes(8 * MIB))
    world.scrub._after = ""
    spent = await world.passes(world.scrub.go_on(100, nothing, never))
    assert spent >= 7.5


async def test_turn_ends_after_its_time_and_goes_on_where_it_was() -> None:
    world = World(rate=MIB)
    for n in range(8):
        await world.keep(f"{n:02}", bytes(MIB))
    world.scrub._after = ""
    assert 1.5 <= await world.passes(world.scrub.go_on(2, nothing, never)) <= 4
    assert "00" < world.scrub._after < "05"


async def test_end_of_the_server_ends_the_reading_of_a_large_picture() -> None:
    world = World(rate=MIB)
    await world.keep("large", bytes(8 * MIB))
    world.scrub._after = ""
    assert await world.scrub.go_on(100, nothing, lambda: True) == 0
    assert world.scrub._after == ""


async def test_store_that_fails_is_not_damage() -> None:
    world = World()
    await world.keep("some")
    world.scrub._after = ""
    world.blobs.faults.fail("read")
    with pytest.raises(BlobError):
        await world.scrub.go_on(100, nothing, never)
    assert world.damaged == []


async def test_rate_of_nothing_rests() -> None:
    assert World(rate=0).scrub.rests
