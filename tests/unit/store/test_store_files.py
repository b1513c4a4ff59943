"""The store over files that stay open."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imcaxy.errors import BlobCorrupt
from imcaxy.grammar.variant import CHUNK, LOG_START, Head
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.kept import Kept, KeptInFile
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import SMALL, Store
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.rows import chunks_of

BODY = bytes(range(256)) * 1000
HEAD = Head("image/webp", None, '"etag"', 1_700_000_000.0)


class World:
    def __init__(self, root: Path, memory: int) -> None:
        self.root = root
        self.catalog, self.clock, self.tasks = FakeCatalog(), FakeClock(), Tasks()
        self.blobs = FileBlobs(root)
        self.memory = MemoryTier(memory)
        self.store = Store(
            self.catalog, self.blobs, self.memory, self.clock, self.tasks, timeout=5.0
        )

    async def keep(self, body: bytes = BODY, name: str = "blob-1") -> Kept:
        kept = await self.store.keep(
            blob=name,
            signature="signature",
            keys=("file", "*"),
            as_of=LOG_START,
            head=HEAD,
            cost=0.5,
            chunks=chunks_of(body),
        )
        self.memory.clear()
        return kept

    async def look_up(self) -> Kept:
        kept = await self.store.look_up("signature")
        assert kept is not None
        return kept

    @property
    def file(self) -> Path:
        (path,) = self.root.glob("*/blob-1")
        return path


async def started(root: Path, memory: int) -> World:
    world = World(root, memory)
    await world.blobs.start()
    await world.catalog.start(world.blobs.id)
    return world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A store whose memory tier is too small for the picture."""
    world = await started(tmp_path / "blobs", 100_000)
    await world.keep()
    yield world
    await world.tasks.drain(1)
    await world.blobs.close()


async def body_of(kept: Kept, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([bytes(piece) async for piece in kept.read(start, stop)])


async def test_second_disk_hit_asks_no_catalog_and_gives_the_same_bytes(world: World) -> None:
    assert await body_of(await world.look_up()) == BODY
    finds = world.catalog.faults
    finds.fail("find")
    again = await world.look_up()
    assert isinstance(again, KeptInFile)
    assert again.tier == "disk"
    assert await body_of(again) == BODY
    assert await body_of(again, 10, CHUNK + 20) == BODY[10 : CHUNK + 20]


async def test_first_disk_hit_verifies_the_digest(world: World) -> None:
    world.file.write_bytes(BODY[:-1] + b"?")
    assert await world.store.look_up("signature") is None


async def test_file_that_was_changed_after_it_was_verified_is_not_given(world: World) -> None:
    await world.look_up()
    world.file.write_bytes(BODY[:-1] + b"?")
    os.utime(world.file, ns=(1, 1))
    kept = world.store.recall("signature")
    assert kept is not None
    with pytest.raises(BlobCorrupt):
        await body_of(kept)
    assert world.store.recall("signature") is None
    assert await world.store.look_up("signature") is None


async def test_file_that_changes_while_it_is_read_breaks_the_answer(world: World) -> None:
    await world.look_up()
    pieces = (await world.look_up()).read()
    await anext(pieces)
    os.utime(world.file, ns=(1, 1))
    with pytest.raises(BlobCorrupt):
        await anext(pieces)


async def test_file_that_is_deleted_while_it_is_read_is_read_to_its_end(world: World) -> None:
    await world.look_up()
    again = await world.look_up()
    pieces = again.read()
    first = await anext(pieces)
    world.file.unlink()
    assert bytes(first) + b"".join([bytes(piece) async for piece in pieces]) == BODY
    assert await body_of(again, 10, CHUNK + 20) == BODY[10 : CHUNK + 20]
    assert world.store.recall("signature") is None  # nobody begins anew


async def test_file_that_only_the_disk_has_is_read_to_its_end_when_it_was_deleted(
    world: World,
) -> None:
    await world.look_up()
    again = await world.look_up()
    assert isinstance(again, KeptInFile)
    world.file.unlink()
    assert await body_of(again._otherwise) == BODY


async def test_large_picture_is_readable_from_its_look_up_on_whatever_is_deleted(
    world: World,
) -> None:
    large = BODY * 20
    assert len(large) > SMALL
    await world.store.forget((await world.look_up()).entry)
    made = await world.keep(large, name="blob-2")
    found = await world.look_up()
    (path,) = world.root.glob("*/blob-2")
    path.unlink()
    assert await body_of(made) == await body_of(found) == large
    assert await world.store.look_up("signature") is None


async def test_invalidation_closes_what_is_older(world: World) -> None:
    await world.look_up()
    world.store.apply(1, ["file"])
    assert world.store.recall("signature") is None


async def test_reset_closes_everything(world: World) -> None:
    await world.look_up()
    world.store.reset(7)
    assert world.store.recall("signature") is None


async def test_deleted_file_is_let_go_of_when_pruned(world: World) -> None:
    await world.look_up()
    world.file.unlink()
    await world.store.prune()
    assert world.store.recall("signature") is None


async def test_picture_asked_for_again_and_again_returns_to_memory(tmp_path: Path) -> None:
    world = await started(tmp_path / "blobs", 10_000_000)
    await world.keep()
    await world.look_up()
    world.memory.clear()
    tiers = [(await world.look_up()).tier for _ in range(6)]
    assert tiers[0] == "disk"
    assert tiers[-1] == "memory"
    await world.tasks.drain(1)
    await world.blobs.close()
