"""What every blob store must do; an adapter's test file subclasses this.

It gives `open_blobs`, and `tamper`, which replaces a kept blob's bytes behind the store's back.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing, SourceFailed
from imcaxy.grammar.variant import CHUNK
from imcaxy.store.blobs.base import Blobs, BlobSum
from tests.fakes.rows import chunks_of

OpenBlobs = Callable[[], Blobs]
Tamper = Callable[[str, bytes], None]

NAME = "0123456789abcdef"
LARGE = bytes(range(256)) * 8192 + b"the end"  # 2 MiB and a little


async def read(blobs: Blobs, name: str, expected: BlobSum, *range_: int) -> bytes:
    pieces = [bytes(piece) async for piece in blobs.read(name, expected, *range_)]
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


async def read_into(got: list[bytes], pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        got.append(piece)  # noqa: PERF401 - what came before a failure is looked at


class BlobsSuite:
    @pytest.fixture
    async def blobs(self, open_blobs: OpenBlobs) -> AsyncIterator[Blobs]:
        blobs = open_blobs()
        await blobs.start()
        yield blobs
        await blobs.close()

    async def test_blob_put_comes_back_equal(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(b"pic", memoryview(b"tu"), b"re"))  # type: ignore[arg-type]  # pieces of both kinds
        assert total == BlobSum(7, sha256(b"picture").hexdigest())
        assert await blobs.load(NAME, total) == b"picture"
        assert await read(blobs, NAME, total) == b"picture"

    async def test_large_blob_comes_back_in_pieces(self, blobs: Blobs) -> None:
        parts = [LARGE[at : at + 50_000] for at in range(0, len(LARGE), 50_000)]
        total = await blobs.put(NAME, chunks_of(*parts))
        assert total == BlobSum(len(LARGE), sha256(LARGE).hexdigest())
        assert await blobs.load(NAME, total) == LARGE
        assert await read(blobs, NAME, total) == LARGE

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(st.integers(0, 300_000), st.integers(0, 300_000))
    def test_any_range_is_that_of_the_bytes(
        self, open_blobs: OpenBlobs, start: int, stop: int
    ) -> None:
        body = LARGE[:250_000]

        async def ranged() -> bytes:
            blobs = open_blobs()
            await blobs.start()
            name = uuid.uuid4().hex
            total = await blobs.put(name, chunks_of(body))
            try:
                return await read(blobs, name, total, start, stop)
            finally:
                await blobs.close()

        assert asyncio.run(ranged()) == body[start:stop]

    async def test_absent_blob_is_missing(self, blobs: Blobs) -> None:
        total = BlobSum(1, sha256(b"x").hexdigest())
        with pytest.raises(BlobMissing):
            await blobs.load(NAME, total)
        with pytest.raises(BlobMissing):
            await read(blobs, NAME, total)

    async def test_other_length_is_corrupt_before_the_first_byte(
        self, blobs: Blobs, tamper: Tamper
    ) -> None:
        total = await blobs.put(NAME, chunks_of(LARGE))
        tamper(NAME, LARGE[:-1])
        with pytest.raises(BlobCorrupt):
            await anext(aiter(blobs.read(NAME, total)))
        with pytest.raises(BlobCorrupt):
            await anext(aiter(blobs.read(NAME, total, 5, 10)))
        with pytest.raises(BlobCorrupt):
            await blobs.load(NAME, total)

    async def test_flipped_bit_is_corrupt_before_the_last_piece(
        self, blobs: Blobs, tamper: Tamper
    ) -> None:
        total = await blobs.put(NAME, chunks_of(LARGE))
        tamper(NAME, LARGE[:1000] + bytes([LARGE[1000] ^ 1]) + LARGE[1001:])
        got: list[bytes] = []
        with pytest.raises(BlobCorrupt):
            await read_into(got, blobs.read(NAME, total))
        assert sum(map(len, got)) < len(LARGE)
        with pytest.raises(BlobCorrupt):
            await blobs.load(NAME, total)

    async def test_producer_that_fails_leaves_nothing(self, blobs: Blobs) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield LARGE
            raise SourceFailed

        with pytest.raises(SourceFailed):
            await blobs.put(NAME, broken())
        with pytest.raises(BlobMissing):
            await blobs.load(NAME, BlobSum(len(LARGE), sha256(LARGE).hexdigest()))

    async def test_cancelled_put_leaves_nothing_and_nothing_is_seen_before(
        self, blobs: Blobs
    ) -> None:
        stuck = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield LARGE
            stuck.set()
            await asyncio.Event().wait()

        total = BlobSum(len(LARGE), sha256(LARGE).hexdigest())
        async with asyncio.TaskGroup() as group:
            putting = group.create_task(blobs.put(NAME, endless()))
            await stuck.wait()
            with pytest.raises(BlobMissing):
                await blobs.load(NAME, total)
            putting.cancel()
        with pytest.raises(BlobMissing):
            await blobs.load(NAME, total)

    async def test_name_used_twice_raises_and_keeps_the_first(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(b"first"))
        with pytest.raises(BlobError):
            await blobs.put(NAME, chunks_of(b"second"))
        assert await blobs.load(NAME, total) == b"first"

    async def test_blob_deleted_is_missing_and_again_is_no_error(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(b"picture"))
        await blobs.delete(NAME)
        await blobs.delete(NAME)
        with pytest.raises(BlobMissing):
            await blobs.load(NAME, total)

    async def test_held_blob_is_read_to_its_end_after_it_was_deleted(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(LARGE))
        held = await blobs.hold(NAME, total)
        if held is None:
            pytest.skip("this store holds nothing open")
        pieces = blobs.read(NAME, total, held=held)
        got = [bytes(await anext(pieces))]
        await blobs.delete(NAME)
        await read_into(got, pieces)
        assert b"".join(got) == LARGE
        assert [bytes(piece) async for piece in blobs.read(NAME, total, 7, 9, held=held)] == [
            LARGE[7:9]
        ]

    async def test_held_blob_is_damaged_when_its_bytes_are(
        self, blobs: Blobs, tamper: Tamper
    ) -> None:
        total = await blobs.put(NAME, chunks_of(LARGE))
        held = await blobs.hold(NAME, total)
        if held is None:
            pytest.skip("this store holds nothing open")
        tamper(NAME, LARGE[:-1] + b"?")
        with pytest.raises(BlobCorrupt):
            await read_into([], blobs.read(NAME, total, held=held))

    async def test_wrong_digest_is_corrupt(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(b"picture"))
        with pytest.raises(BlobCorrupt):
            await blobs.load(NAME, replace(total, digest=sha256(b"other").hexdigest()))

    async def test_check_says_what_was_found(self, blobs: Blobs) -> None:
        assert await blobs.check()

    async def test_reader_that_leaves_early_harms_nothing(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(LARGE))
        pieces = blobs.read(NAME, total)
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]  # every adapter's is a generator
        assert await blobs.load(NAME, total) == LARGE

    async def test_closed_store_raises(self, blobs: Blobs) -> None:
        total = await blobs.put(NAME, chunks_of(b"picture"))
        await blobs.close()
        with pytest.raises(BlobError):
            await blobs.load(NAME, total)
        with pytest.raises(BlobError):
            await blobs.put("another-name", chunks_of(b"x"))
