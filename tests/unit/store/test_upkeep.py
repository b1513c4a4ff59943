import asyncio

import pytest

from imcaxy.errors import BlobError, StoreFull
from imcaxy.store.eviction import footprint
from imcaxy.store.memory import MemoryTier
from imcaxy.store.room import DiskRoom
from imcaxy.store.store import Store
from imcaxy.store.sweep import SIGNATURE
from imcaxy.store.upkeep import (
    LONGEST_RESPONSE,
    MIB,
    NEARLY_FULL,
    Care,
    Upkeep,
    disk_outlook,
)
from imcaxy.tasks import Tasks
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_claim, an_entry, an_instance, chunks_of

LIMIT = 1_000_000


class Disk:
    """A blob store's disk."""

    def __init__(self) -> None:
        self.bytes = 10**9

    async def free(self) -> int:
        return self.bytes


class World:
    def __init__(self, rate: int = 0) -> None:
        self.catalog = FakeCatalog()
        self.blobs = FakeBlobs()
        self.clock = FakeClock()
        self.tasks = Tasks()
        self.disk = Disk()
        self.room = DiskRoom(LIMIT)
        self.memory = MemoryTier(LIMIT * 10)
        parts = (self.catalog, self.blobs, self.memory, self.clock, self.tasks, 5.0)
        self.store = Store(*parts, room=self.room)
        self.upkeep = Upkeep(
            catalog=self.catalog,
            blobs=self.blobs,
            store=self.store,
            room=self.room,
            clock=self.clock,
            incarnation="mine",
            care=Care(2.0, rate, self.disk),
        )

    async def keep(self, name: str, size: int = 50_000, age: float = 100.0) -> None:
        await self.blobs.put(name, chunks_of(bytes(size)))
        used = self.clock.wall() - age
        await self.catalog.insert_entry(an_entry(name, bytes(size), signature=name, used=used))

    async def crawl(self, name: str) -> None:
        """A picture that is asked for once."""
        await self.store.keep(
            blob=name,
            signature=name,
            keys=(),
            as_of=an_entry().as_of,
            head=an_entry(body=bytes(4000)).head,
            cost=1.0,
            chunks=chunks_of(bytes(4000)),
        )


async def test_round_evicts_down_to_the_low_mark_and_gives_room_back() -> None:
    world = World()
    for n in range(18):
        await world.keep(f"blob-{n}", age=1000 + n)
    await world.upkeep.round()
    assert len(world.catalog.rows.entries) < 18
    await world.clock.advance(61.0)
    await world.upkeep.round()
    assert world.catalog.rows.trash == {}
    assert world.room.left is not None
    assert world.room.left > LIMIT // 10
    assert not world.room.pressed


async def test_disk_smaller_than_the_limit_is_what_counts() -> None:
    world = World()
    world.disk.bytes = 10_000
    for n in range(5):
        await world.keep(f"blob-{n}", age=1000 + n)
    await world.upkeep.round()
    assert len(world.catalog.rows.entries) < 5


async def test_room_is_shared_among_the_instances_that_have_not_left() -> None:
    world = World()
    for instance in (an_instance("a"), an_instance("b"), an_instance("c", left=True)):
        await world.catalog.write_instance(instance)
    await world.upkeep.round()
    assert world.room.left == LIMIT // 2


async def test_no_room_keeps_nothing_new_and_serves_on() -> None:
    world = World()
    await world.keep("kept")
    await world.upkeep.round()
    world.room.learn(await world.catalog.usage(), 1, free=0)
    with pytest.raises(StoreFull):
        await world.crawl("new")
    assert not world.store.failing
    assert await world.store.look_up("kept") is not None


async def test_crawl_over_a_full_disk_is_kept_as_fast_as_what_is_old_can_go() -> None:
    world = World()
    await world.upkeep.round()
    refused = 0
    for second in range(300):
        for part in range(2):  # four fifths of the limit per minute
            try:
                await world.crawl(f"{second}-{part}")
            except StoreFull:
                refused += 1
        await world.clock.advance(1.0)
        if second % 3 == 0 and world.room.pressed:
            await world.upkeep.round()
    assert refused == 0
    assert sum(map(len, world.blobs.held.values())) < LIMIT
    kept = len(world.catalog.rows.entries)
    assert LIMIT * 0.6 < kept * footprint(4000) < LIMIT * 0.9  # what is kept stays


async def test_uses_are_written_more_often_where_the_disk_turns_over_fast() -> None:
    world = World()
    for n in range(12):
        await world.keep(f"blob-{n}", age=400.0)
    await world.upkeep.round()
    assert await world.store.look_up("blob-0") is not None
    await settle()
    await world.clock.advance(2.0)
    for _ in range(5):
        world.store.recall("blob-0")
        await world.clock.advance(60.0)
    assert world.catalog.rows.entries["blob-0"].uses >= 4


async def test_uses_of_a_disk_with_room_are_written_seldom() -> None:
    world = World()
    await world.keep("blob-0", age=400.0)
    await world.upkeep.round()
    assert await world.store.look_up("blob-0") is not None
    await world.clock.advance(100.0)
    assert world.catalog.rows.entries["blob-0"].uses == 0


async def test_damaged_picture_is_forgotten_by_the_scrub() -> None:
    world = World(rate=10**9)
    await world.keep("good")
    await world.keep("bad")
    world.blobs.held["bad"] = b"short"
    stopping = asyncio.Event()
    running = world.tasks.start(world.upkeep.run(stopping), "upkeep")
    for _ in range(20):
        await settle()
    stopping.set()
    await running
    assert set(world.catalog.rows.entries) == {"good"}
    assert (await world.catalog.claims(SIGNATURE))[0].outcome is not None


async def test_failing_store_does_not_end_the_upkeep() -> None:
    world = World()
    world.catalog.faults.fail("usage")
    stopping = asyncio.Event()
    running = world.tasks.start(world.upkeep.run(stopping), "upkeep")
    await settle()
    assert not running.done()
    stopping.set()
    await running


async def test_round_leaves_the_sweep_to_whoever_has_its_claim() -> None:
    world = World()
    await world.catalog.insert_claim(a_claim(1, signature=SIGNATURE, by="another", blob=""))
    await world.catalog.bury("of long ago", 0.0)
    await world.upkeep.round()
    assert set(world.catalog.rows.trash) == {"of long ago"}
    assert world.room.left is not None


def test_grace_is_short_where_readers_hold_files_open() -> None:
    assert Care(2.0, 0, Disk()).grace == 2.0
    assert Care(2.0, 0, None).grace == LONGEST_RESPONSE


async def test_outlook_warns_of_a_disk_smaller_than_the_limit_and_fails_when_it_is_full() -> None:
    world = World()
    limit = 1 << 40
    assert "warning: the disk has only" in await disk_outlook(world.catalog, world.disk, limit)
    assert "warning" not in await disk_outlook(world.catalog, world.disk, 10**8)
    world.disk.bytes = NEARLY_FULL // 2
    with pytest.raises(BlobError, match="nearly full"):
        await disk_outlook(world.catalog, world.disk, limit)


async def test_outlook_counts_what_servers_count() -> None:
    world = World()
    await world.keep("picture", size=3 * MIB)
    world.catalog.rows.catalog_bytes = 5 * MIB
    world.disk.bytes = 10**9
    limit = 256 * MIB
    told = await disk_outlook(world.catalog, world.disk, limit)
    room = DiskRoom(limit)
    room.learn(await world.catalog.usage(), 1, await world.disk.free())
    assert room.left is not None
    assert told.startswith(f"{(limit - room.left) // MIB} MiB of 256 MiB are taken")
    assert "8 MiB" in told
    assert "4 MiB of them by the catalog's file beside its rows" in told
    world.disk.bytes = 248 * MIB  # enough for all but the part that the file takes
    assert "warning" not in await disk_outlook(world.catalog, world.disk, limit)
    world.disk.bytes = 247 * MIB
    assert "warning" in await disk_outlook(world.catalog, world.disk, limit)
