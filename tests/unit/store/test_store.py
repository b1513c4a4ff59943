import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import BlobCorrupt, BlobError, CatalogError, SourceFailed, StoreError
from imcaxy.grammar.variant import LOG_START, Head, LogPosition
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import PAUSE, SMALL, Kept, Store
from imcaxy.tasks import Tasks
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_record, an_entry, chunks_of

BODY = b"a picture"
HEAD = Head("image/webp", None, '"etag"', 1_700_000_000.0)
TIMEOUT = 0.05


class World:
    def __init__(self) -> None:
        self.catalog = FakeCatalog()
        self.blobs = FakeBlobs()
        self.clock = FakeClock()
        self.tasks = Tasks()
        self.memory = MemoryTier(64 * 1024 * 1024)
        self.store = self.restarted()

    def restarted(self) -> Store:
        self.memory.clear()
        parts = (self.catalog, self.blobs, self.memory, self.clock, self.tasks)
        return Store(*parts, timeout=TIMEOUT)

    async def keep(self, body: bytes = BODY, blob: str = "blob-1", **facts: object) -> Kept:
        chunks = facts.pop("chunks", None) or chunks_of(body[:3], body[3:])
        return await self.store.keep(
            blob=blob,
            signature="signature",
            keys=("file", "*"),
            as_of=facts.get("as_of", LOG_START),  # type: ignore[arg-type]  # built from facts given by name
            head=facts.get("head", HEAD),  # type: ignore[arg-type]  # built from facts given by name
            cost=0.5,
            chunks=chunks,  # type: ignore[arg-type]  # built from facts given by name
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.catalog.start(world.blobs.id)
    yield world
    await world.tasks.drain(0)


async def body_of(kept: Kept | None) -> bytes:
    assert kept is not None
    return b"".join([bytes(piece) async for piece in kept.read()])


async def test_kept_picture_is_recalled_and_looked_up(world: World) -> None:
    kept = await world.keep()
    assert kept.head.length == len(BODY)
    recalled = world.store.recall("signature")
    assert recalled is not None
    assert (recalled.tier, await body_of(recalled)) == ("memory", BODY)
    store = world.restarted()
    assert store.recall("signature") is None
    found = await store.look_up("signature")
    assert found is not None
    assert (found.tier, found.entry, await body_of(found)) == ("disk", kept.entry, BODY)
    assert store.recall("signature") is not None


async def test_unknown_signature_is_none(world: World) -> None:
    assert world.store.recall("signature") is None
    assert await world.store.look_up("signature") is None


async def test_blob_is_kept_before_its_entry(world: World) -> None:
    world.catalog.faults.hang("insert_entry")
    with pytest.raises(CatalogError):
        await world.keep()
    assert list(world.blobs.held) == ["blob-1"]
    assert world.catalog.rows.entries == {}
    assert world.store.recall("signature") is None


async def test_large_picture_stays_in_the_blob_store(world: World) -> None:
    body = bytes(SMALL + 1)
    kept = await world.keep(body)
    assert kept.body is None
    assert len(world.memory) == 0
    store = world.restarted()
    found = await store.look_up("signature")
    assert found is not None
    assert found.body is None
    assert await body_of(found) == body
    assert world.blobs.faults.calls["load"] == 0


async def test_producer_that_fails_keeps_nothing_and_blames_nobody(world: World) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield BODY
        raise SourceFailed

    with pytest.raises(SourceFailed):
        await world.keep(chunks=broken())
    assert world.blobs.held == {}
    assert not world.store.resting


async def test_slow_producer_is_no_failure_of_the_store(world: World) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BODY[:3]
        asyncio.get_running_loop().call_later(TIMEOUT * 3, go_on.set)
        await go_on.wait()
        yield BODY[3:]

    assert await body_of(await world.keep(chunks=slow())) == BODY


@pytest.mark.parametrize("length", [len(BODY) + 1, len(BODY) - 1])
async def test_other_length_than_announced_is_not_kept(world: World, length: int) -> None:
    with pytest.raises(BlobCorrupt):
        await world.keep(head=Head("image/webp", length, '"e"', 0.0))
    assert world.catalog.rows.entries == {}


async def test_empty_picture_is_not_kept(world: World) -> None:
    with pytest.raises(BlobCorrupt):
        await world.keep(b"")
    assert world.catalog.rows.entries == {}


async def test_hanging_blob_store_fails_the_keep_in_time(world: World) -> None:
    world.blobs.faults.hang("put.end")
    with pytest.raises(StoreError):
        await world.keep()


@pytest.mark.parametrize("size", [9, SMALL + 9])
@pytest.mark.parametrize("damage", ["missing", "shorter"])
async def test_damage_before_the_first_byte_heals_into_a_miss(
    world: World, size: int, damage: str
) -> None:
    await world.keep(bytes(size))
    store = world.restarted()
    body = world.blobs.held.pop("blob-1")
    if damage == "shorter":
        world.blobs.held["blob-1"] = body[:-1]
    assert await store.look_up("signature") is None
    assert world.catalog.rows.entries == {}
    assert set(world.catalog.rows.trash) == {"blob-1"}
    assert not store.resting


async def test_older_entry_stands_in_for_a_damaged_one(world: World) -> None:
    await world.keep(b"first", "blob-1")
    await world.keep(b"second", "blob-2")
    store = world.restarted()
    del world.blobs.held["blob-2"]
    assert await body_of(await store.look_up("signature")) == b"first"


async def test_damage_after_the_first_byte_breaks_the_read_and_heals(world: World) -> None:
    await world.keep(bytes(SMALL + 9))
    store = world.restarted()
    world.blobs.held["blob-1"] = bytes(SMALL + 8) + b"?"
    found = await store.look_up("signature")
    with pytest.raises(BlobCorrupt):
        await body_of(found)
    await settle()
    assert await store.look_up("signature") is None


async def test_concurrent_look_ups_share_one_load(world: World) -> None:
    await world.keep()
    store = world.restarted()
    found = await asyncio.gather(*(store.look_up("signature") for _ in range(50)))
    assert {await body_of(kept) for kept in found} == {BODY}
    assert world.catalog.faults.calls["find"] == world.blobs.faults.calls["load"] == 1


async def test_look_up_given_up_by_one_goes_on_for_the_other(world: World) -> None:
    await world.keep()
    store = world.restarted()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(store.look_up("signature"))
        second = group.create_task(store.look_up("signature"))
        await asyncio.wait([first], timeout=0)
        first.cancel()
    assert await body_of(second.result()) == BODY


@pytest.mark.parametrize("fault", ["fail", "hang"])
@pytest.mark.parametrize("part", ["catalog", "blobs"])
async def test_store_that_fails_is_left_alone_then_recovers(
    world: World, part: str, fault: str
) -> None:
    await world.keep()
    store = world.restarted()
    faults = world.catalog.faults if part == "catalog" else world.blobs.faults
    getattr(faults, fault)()
    with pytest.raises(StoreError):
        await store.look_up("signature")
    assert store.resting
    calls = sum(faults.calls.values())
    for _ in range(100):
        with pytest.raises(CatalogError, match="left alone"):
            await store.look_up("signature")
    assert sum(faults.calls.values()) == calls
    faults.heal()
    await world.clock.advance(PAUSE)
    assert await body_of(await store.look_up("signature")) == BODY
    assert not store.resting


async def test_memory_answers_while_the_store_is_down(world: World) -> None:
    await world.keep()
    world.catalog.faults.hang()
    world.blobs.faults.hang()
    assert await body_of(await world.store.look_up("signature")) == BODY


async def test_keep_while_the_store_rests_fails_at_once(world: World) -> None:
    world.catalog.faults.fail()
    with pytest.raises(CatalogError):
        await world.store.look_up("signature")
    with pytest.raises(CatalogError, match="left alone"):
        await world.keep()
    assert world.blobs.faults.calls["put"] == 0


async def test_failed_load_fails_every_request_that_waits_for_it(world: World) -> None:
    world.blobs.faults.fail()
    await world.catalog.insert_entry(an_entry(body=BODY))
    store = world.restarted()
    found = await asyncio.gather(
        *(store.look_up("signature") for _ in range(3)), return_exceptions=True
    )
    assert [type(error) for error in found] == [BlobError] * 3
    assert len({id(error) for error in found}) == 3


async def test_apply_drops_memory_by_key(world: World) -> None:
    await world.keep()
    world.store.apply(1, ["elsewhere"])
    assert world.store.recall("signature") is not None
    world.store.apply(2, ["file"])
    assert world.store.recall("signature") is None


async def test_load_that_a_record_overtakes_is_judged_again(world: World) -> None:
    await world.keep()
    store = world.restarted()
    world.blobs.faults.hang("load")
    async with asyncio.TaskGroup() as group:
        before = group.create_task(store.look_up("signature"))
        await world.blobs.faults.reached("load")
        await world.catalog.append(a_record(1, "file"))
        store.apply(1, ["file"])
        after = group.create_task(store.look_up("signature"))
        await settle()
        world.blobs.faults.heal()
    assert (before.result(), after.result()) == (None, None)
    assert len(world.memory) == 0


async def test_keep_that_a_record_overtakes_does_not_enter_memory(world: World) -> None:
    world.catalog.faults.hang("insert_entry")
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(world.keep())
        await world.catalog.faults.reached("insert_entry")
        await world.catalog.append(a_record(1, "file"))
        world.store.apply(1, ["file"])
        world.catalog.faults.heal()
    assert await body_of(keeping.result()) == BODY
    assert world.store.recall("signature") is None
    assert await world.store.look_up("signature") is None


async def test_reset_holds_nothing(world: World) -> None:
    await world.keep()
    world.store.reset(0)
    assert world.store.recall("signature") is None


async def test_forget_makes_a_miss_and_buries_the_blob(world: World) -> None:
    kept = await world.keep()
    await world.store.forget(kept.entry)
    assert await world.store.look_up("signature") is None
    assert set(world.catalog.rows.trash) == {"blob-1"}


async def test_use_is_noted_once_an_hour(world: World) -> None:
    kept = await world.keep()
    for _ in range(3):
        world.store.recall("signature")
    assert world.clock.sleepers == 0
    await world.clock.advance(4000.0)
    for _ in range(3):
        world.store.recall("signature")
    await settle()
    await world.clock.advance(2.0)
    assert world.catalog.faults.calls["touch_entries"] == 1
    assert world.catalog.rows.entries["blob-1"].used >= kept.entry.used + 4000.0
    world.store.recall("signature")
    assert world.clock.sleepers == 0


async def test_use_that_cannot_be_noted_harms_nobody(world: World) -> None:
    await world.keep()
    world.catalog.faults.fail("touch_entries")
    await world.clock.advance(4000.0)
    assert world.store.recall("signature") is not None
    await settle()
    await world.clock.advance(2.0)
    assert world.store.recall("signature") is not None


async def test_closing_server_fails_a_look_up_instead_of_cancelling_it(world: World) -> None:
    world.catalog.faults.hang("find")
    looking = asyncio.gather(world.store.look_up("signature"), return_exceptions=True)
    await world.catalog.faults.reached("find")
    await world.tasks.drain(0)
    (error,) = await looking
    assert isinstance(error, CatalogError)


def test_blob_names_are_unique_and_plain() -> None:
    names = {Store.new_blob_name() for _ in range(1000)}
    assert len(names) == 1000
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


async def test_entry_from_another_log_position_is_a_miss(world: World) -> None:
    await world.keep(as_of=LogPosition(3, "of a log that was lost"))
    assert await world.restarted().look_up("signature") is None


async def test_record_between_a_load_and_its_waiter_makes_it_look_again(world: World) -> None:
    kept = await world.keep()
    store = world.restarted()
    load = store._start_load("signature")
    looking = asyncio.gather(store.look_up("signature"))
    # Runs when the load has ended, before the waiter's turn.
    load.add_done_callback(lambda _: store.apply(1, kept.entry.keys))
    await world.catalog.append(a_record(1, "file"))
    (found,) = await looking
    assert found is None


async def test_unchanged_picture_is_found_without_reading_its_blob(world: World) -> None:
    await world.keep()
    world.store = world.restarted()
    kept = await world.store.look_up_unchanged("signature", '"etag"'.__eq__)
    assert kept is not None
    assert kept.head.etag == '"etag"'
    assert world.blobs.faults.calls["load"] == world.blobs.faults.calls["read"] == 0
    assert await body_of(kept) == BODY
    assert await world.store.look_up_unchanged("signature", '"other"'.__eq__) is None
    assert await world.store.look_up_unchanged("unknown", '"etag"'.__eq__) is None


async def test_unchanged_picture_that_is_invalidated_meanwhile_is_not_found(world: World) -> None:
    await world.keep()
    world.store = world.restarted()
    world.catalog.faults.hang("find")
    looking = asyncio.create_task(world.store.look_up_unchanged("signature", lambda _: True))  # noqa: TID251 - awaited below
    await world.catalog.faults.reached("find")
    world.store.apply(1, ["file"])
    world.catalog.faults.heal()
    assert await looking is None
