"""A real S3 server behind a relay that fails: what the adapter then does, within its deadlines."""

import asyncio
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from time import perf_counter

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import BlobError, BlobMissing
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.blobs.s3 import ID, S3Blobs
from imcaxy.store.blobs.s3_client import Bucket, Endpoint
from tests import real
from tests.between import Between
from tests.fakes.rows import chunks_of
from tests.stores import S3, each, s3_endpoint

PIECE = bytes(range(256)) * 4096  # 1 MiB
LARGE = [PIECE] * 12  # three parts
TIMEOUT = 2.0  # seconds

over_servers = pytest.mark.parametrize("server", each(S3))


def sum_of(*pieces: bytes) -> BlobSum:
    body = b"".join(pieces)
    return BlobSum(len(body), sha256(body).hexdigest())


@pytest.fixture
async def relay(server: str) -> AsyncIterator[Between]:
    async with Between(real.address(server)) as relay:
        yield relay


@pytest.fixture
def endpoint(server: str, relay: Between) -> Endpoint:
    return s3_endpoint(server, host=relay.address)


@pytest.fixture
async def blobs(endpoint: Endpoint) -> AsyncIterator[S3Blobs]:
    blobs = S3Blobs(endpoint, Clock(), TIMEOUT, settle=0)
    await blobs.start()
    yield blobs
    await blobs.close()


async def recovered(blobs: S3Blobs) -> None:
    kept = await blobs.put("recovered", chunks_of(b"again"))
    assert await blobs.load("recovered", kept) == b"again"


@over_servers
async def test_server_that_hangs_is_given_up_in_time_and_found_again(
    blobs: S3Blobs, relay: Between
) -> None:
    kept = await blobs.put("kept", chunks_of(b"picture"))
    relay.hang()
    begun = perf_counter()
    for call in (
        blobs.load("kept", kept),
        blobs.put("other", chunks_of(b"x")),
        blobs.delete("other"),
        blobs.check(),
    ):
        with pytest.raises(BlobError, match="in time"):
            await call
    assert perf_counter() - begun < 5 * TIMEOUT + 5  # a check deletes what it wrote
    relay.let_pass()
    assert await blobs.load("kept", kept) == b"picture"
    await recovered(blobs)


@over_servers
async def test_server_that_is_away_is_told_and_found_again(blobs: S3Blobs, relay: Between) -> None:
    kept = await blobs.put("kept", chunks_of(b"picture"))
    relay.reset()
    with pytest.raises(BlobError, match="IMCAXY_MINIO_ENDPOINT") as caught:
        await blobs.load("kept", kept)
    assert not isinstance(caught.value, BlobMissing)
    relay.let_pass()
    assert await blobs.load("kept", kept) == b"picture"
    await recovered(blobs)


@over_servers
async def test_dead_kept_connections_cost_no_call(blobs: S3Blobs, relay: Between) -> None:
    kept = await blobs.put("kept", chunks_of(b"picture"))
    for number in range(5):
        await asyncio.gather(*(blobs.load("kept", kept) for _ in range(8)))
        relay.reset_once()
        assert await blobs.load("kept", kept) == b"picture"
        relay.reset_once()
        await blobs.put(f"other-{number}", chunks_of(*LARGE))  # begins with a Post


@over_servers
async def test_read_that_is_cut_never_ends_normally(blobs: S3Blobs, relay: Between) -> None:
    kept = await blobs.put("large", chunks_of(*LARGE))
    relay.cut_after(3_000_000)
    with pytest.raises(BlobError):
        async for _ in blobs.read("large", kept):
            pass
    relay.let_pass()
    assert await blobs.load("large", kept) == b"".join(LARGE)


@over_servers
async def test_put_that_fails_half_way_leaves_neither_object_nor_parts(
    blobs: S3Blobs, relay: Between, endpoint: Endpoint
) -> None:
    async def half() -> AsyncIterator[bytes | memoryview]:
        for piece in LARGE:
            yield piece
            if piece is LARGE[-1]:
                relay.reset_once()
        relay.hang()

    with pytest.raises(BlobError):
        await blobs.put("large", half())
    relay.let_pass()
    await settled(blobs)
    with pytest.raises(BlobMissing):
        await blobs.load("large", sum_of(*LARGE))
    assert await unfinished(endpoint) == 0


@over_servers
async def test_put_that_is_cancelled_takes_its_parts_back(
    blobs: S3Blobs, endpoint: Endpoint
) -> None:
    stuck = asyncio.Event()

    async def endless() -> AsyncIterator[bytes | memoryview]:
        for piece in LARGE:
            yield piece
        stuck.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        putting = group.create_task(blobs.put("large", endless()))
        await stuck.wait()
        assert await unfinished(endpoint) == 1
        putting.cancel()
    await settled(blobs)
    assert await unfinished(endpoint) == 0
    with pytest.raises(BlobMissing):
        await blobs.load("large", sum_of(*LARGE))


@over_servers
async def test_bucket_that_is_gone_is_no_missing_picture(
    blobs: S3Blobs, endpoint: Endpoint
) -> None:
    bucket = Bucket(endpoint, TIMEOUT)
    await bucket.delete(ID)  # as after the bucket was emptied, or made anew
    with pytest.raises(BlobError, match="replaced") as caught:
        await blobs.load("kept", sum_of(b"picture"))
    assert not isinstance(caught.value, BlobMissing)
    with pytest.raises(BlobError, match="replaced"):
        _ = [piece async for piece in blobs.read("kept", sum_of(b"picture"), 9, 9)]
    await bucket.close()


@over_servers
async def test_nothing_is_asked_but_put_get_head_delete_and_multipart(
    blobs: S3Blobs, relay: Between, endpoint: Endpoint
) -> None:
    small = await blobs.put("small", chunks_of(b"picture"))
    large = await blobs.put("large", chunks_of(*LARGE))
    await blobs.load("small", small)
    _ = [piece async for piece in blobs.read("large", large, 10, 5_000_000)]
    _ = [piece async for piece in blobs.read("large", large, 9, 9)]
    with pytest.raises(BlobMissing):
        await blobs.load("absent", small)
    await blobs.delete("small")
    await blobs.check()
    await blobs.remove_unfinished()
    name = rf"/{endpoint.bucket}/[\w-]+"
    part = r"\?(partNumber=\d+&uploadId|uploadId)=[\w%.~-]+"
    allowed = re.compile(
        rf"GET {name}|HEAD {name}|PUT {name}({part})?|DELETE {name}({part})?|"
        rf"POST {name}(\?uploads=|{part})|PUT /{endpoint.bucket}"
    )
    assert len(relay.asked) > 20
    assert [line for line in relay.asked if not allowed.fullmatch(line)] == []


@over_servers
async def test_several_that_begin_at_once_agree_on_one_id(endpoint: Endpoint) -> None:
    several = [S3Blobs(endpoint, Clock(), TIMEOUT) for _ in range(6)]
    await asyncio.gather(*(blobs.start() for blobs in several))
    assert len({blobs.id for blobs in several}) == 1
    for blobs in several:
        await blobs.close()


async def settled(blobs: S3Blobs) -> None:
    """Return when what failed puts left has been removed."""
    async with asyncio.timeout(20):
        while len(blobs._undoing):
            await asyncio.sleep(0.05)


async def unfinished(endpoint: Endpoint) -> int:
    """Multipart uploads that nobody has ended; asked as no adapter may ask: by a listing."""
    bucket = Bucket(endpoint, 10)
    try:
        found = await bucket._minio._list_multipart_uploads(endpoint.bucket)
    finally:
        await bucket.close()
    return len(found.uploads)
