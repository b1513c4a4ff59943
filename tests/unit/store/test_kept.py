import pytest

from imcaxy.errors import BlobCorrupt, BlobError
from imcaxy.grammar.variant import CHUNK
from imcaxy.store.catalog.base import Entry
from imcaxy.store.kept import Kept, KeptInStore
from tests.fakes.blobs import FakeBlobs
from tests.fakes.rows import an_entry, chunks_of

BODY = bytes(range(256)) * 1000


async def collect(kept: Kept, start: int = 0, stop: int | None = None) -> bytes:
    pieces = [bytes(piece) async for piece in kept.read(start, stop)]
    assert all(len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


async def stored(damaged: list[Entry]) -> tuple[FakeBlobs, KeptInStore]:
    blobs = FakeBlobs()
    await blobs.put("blob-1", chunks_of(BODY))
    return blobs, KeptInStore(an_entry(body=BODY), blobs, 0.05, damaged.append)


async def test_kept_in_memory_reads_any_range() -> None:
    kept = Kept(an_entry(body=BODY), "memory", BODY)
    assert (kept.available, kept.whole, kept.head.length) == (len(BODY), True, len(BODY))
    assert await collect(kept) == BODY
    assert await collect(kept, 70_000, 140_001) == BODY[70_000:140_001]


async def test_kept_in_store_reads_any_range() -> None:
    _, kept = await stored([])
    assert await collect(kept) == BODY
    assert await collect(kept, 70_000, 140_001) == BODY[70_000:140_001]


async def test_damaged_blob_breaks_the_read_and_is_told() -> None:
    damaged: list[Entry] = []
    blobs, kept = await stored(damaged)
    blobs.held["blob-1"] = BODY[:-1] + b"?"
    with pytest.raises(BlobCorrupt):
        await collect(kept)
    assert [entry.blob for entry in damaged] == ["blob-1"]


async def test_store_that_hangs_breaks_the_read_in_time() -> None:
    blobs, kept = await stored([])
    pieces = kept.read()
    await anext(pieces)
    blobs.faults.hang("read.piece")
    with pytest.raises(BlobError, match="in time"):
        await anext(pieces)
