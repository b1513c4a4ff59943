from dataclasses import replace

import pytest

from imcaxy.errors import (
    InternalError,
    ProcessorFailed,
    SourceMissing,
    VariantTooLarge,
)
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.jobs import outcome as outcomes
from imcaxy.jobs.job import MOVE_AFTER
from imcaxy.jobs.jobs import Jobs
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import Rows
from tests.fakes.clock import settle
from tests.fakes.instance import Instance, collect


@pytest.fixture
def world() -> Instance:
    return Instance()


async def test_finished_picture_is_kept_with_its_etag(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.deliver(b"picture")
    await stream.started()
    etag = stream.head.etag
    await world.idle()
    world.memory.clear()
    kept = await world.store.look_up("signature-a")
    assert kept is not None
    assert await collect(kept.read()) == b"picture"
    assert kept.head.etag == etag
    assert kept.entry.keys == purge_keys([Source("url", "http://host/a.png")])


async def test_finished_picture_is_not_kept_where_nothing_is(world: Instance) -> None:
    world.jobs = Jobs(replace(world.parts, keeps=False), 8, world.tasks)
    stream, delivery = await world.making()
    delivery.deliver(b"picture")
    assert await collect(stream.read()) == b"picture"
    await world.idle()
    assert not world.catalog.rows.entries
    assert not world.catalog.rows.claims
    assert world.catalog.faults.calls["insert_first_claim"] == 0


async def test_etag_of_a_picture_from_read_sources_is_the_same_again() -> None:
    tags = set()
    for version in ("1", "1", "2"):
        world = Instance()
        world.processor.version = version
        stream, delivery = await world.making()
        delivery.deliver(b"picture")
        await stream.started()
        tags.add(stream.head.etag)
        await world.idle()
    assert len(tags) == 2


async def test_etag_of_a_picture_whose_source_the_processor_fetches_is_its_blobs_name() -> None:
    world = Instance()
    world.processor.fetched = frozenset({Source("url", "http://host/a.png")})
    stream, delivery = await world.making()
    assert delivery.originals == []
    assert world.downloads.bytes_held == 0
    delivery.deliver(b"picture")
    await stream.started()
    await world.idle()
    kept = await world.store.look_up("signature-a")
    assert kept is not None
    assert stream.head.etag == f'"{kept.entry.blob}"'
    assert kept.entry.as_of == LOG_START


async def test_readers_go_on_when_the_first_has_left(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.begin()
    first, second = stream.read(), stream.read()
    delivery.send(b"one ")
    assert await anext(first) == b"one "
    await first.aclose()
    delivery.send(b"two")
    delivery.end()
    assert await collect(second) == b"one two"
    await world.idle()
    world.assert_nothing_is_left()


async def test_started_job_goes_on_when_everybody_has_left(world: Instance) -> None:
    stream, delivery = await world.making()
    await settle()
    delivery.deliver(b"picture")
    await world.idle()
    assert stream.abandoned
    assert await world.store.look_up("signature-a") is not None


async def test_failure_after_bytes_is_never_kept(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.begin(10)
    delivery.send(b"half")
    reader = stream.read()
    assert await anext(reader) == b"half"
    delivery.end(ProcessorFailed("cut"))
    with pytest.raises(ProcessorFailed):
        await anext(reader)
    await world.idle()
    assert await world.store.look_up("signature-a") is None
    assert not world.blobs.held
    del stream, reader
    world.assert_nothing_is_left()


async def test_body_shorter_than_announced_is_never_kept(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.begin(10)
    delivery.send(b"half")
    delivery.end()
    with pytest.raises(InternalError):
        await collect(stream.read())
    await world.idle()
    assert not world.blobs.held


async def test_fault_of_the_engine_is_an_internal_error(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.refuse(ValueError("a bug"))
    with pytest.raises(InternalError):
        await stream.started()
    await world.idle()
    world.assert_nothing_is_left()


async def test_picture_past_its_limit_fails_the_stream(world: Instance) -> None:
    stream, delivery = await world.making()
    delivery.begin()
    delivery.send(b"x" * 10_000_001)
    with pytest.raises(VariantTooLarge):
        await collect(stream.read())
    await world.idle()
    world.assert_nothing_is_left()


async def test_missing_source_fails_without_asking_the_processor(world: Instance) -> None:
    def missing(_source: Source) -> bytes:
        raise SourceMissing("no such picture")

    world.reader.answer = missing
    stream, _ = world.join()
    with pytest.raises(SourceMissing):
        await stream.started()
    await world.idle()
    assert not world.processor.deliveries
    world.assert_nothing_is_left()


@pytest.mark.parametrize("operation", ["claims", "insert_claim", "find"])
async def test_catalog_that_fails_costs_keeping_only(world: Instance, operation: str) -> None:
    world.catalog.faults.fail(operation)
    stream, delivery = await world.making()
    delivery.deliver(b"picture")
    await stream.started()
    assert not stream.keeping
    assert await collect(stream.read()) == b"picture"
    await world.idle()
    del stream
    world.assert_nothing_is_left()


@pytest.mark.parametrize("operation", ["put", "put.end"])
async def test_blob_store_that_fails_costs_keeping_only(world: Instance, operation: str) -> None:
    world.blobs.faults.fail(operation)
    stream, delivery = await world.making()
    delivery.deliver(b"picture")
    assert await collect(stream.read()) == b"picture"
    await world.idle()
    held = world.catalog.rows.claims["signature-a", 1]
    assert held.outcome is not None
    assert outcomes.parse(held.outcome) == outcomes.DROPPED
    del stream
    world.assert_nothing_is_left()


async def test_entry_that_cannot_be_written_costs_keeping_only(world: Instance) -> None:
    world.catalog.faults.fail("insert_entry")
    stream, delivery = await world.making()
    delivery.deliver(b"picture")
    assert await collect(stream.read()) == b"picture"
    await world.idle()
    assert not world.catalog.rows.entries
    del stream
    world.assert_nothing_is_left()


async def test_second_instance_gets_the_entry_of_the_first() -> None:
    rows, blobs = Rows(), FakeBlobs()
    one, two = Instance(rows, "one", blobs), Instance(rows, "two", blobs)
    stream, delivery = await one.making()
    other, _ = two.join()
    two.wait(other)
    await settle()
    delivery.deliver(b"picture")
    await one.idle()
    await two.clock.advance(1.0)
    assert await collect(other.read()) == b"picture"
    await two.idle()
    assert other.moved
    assert not two.processor.deliveries
    assert stream.whole
    two.assert_nothing_is_left()


async def test_large_picture_is_freed_when_its_readers_had_their_time(world: Instance) -> None:
    body = bytes(9_000_000)
    stream, delivery = await world.making()
    delivery.deliver(body)
    slow = stream.read()
    assert await anext(slow) == body[: 64 * 1024]
    for _ in range(20):
        await settle()
    assert world.hub.bytes == len(body)
    await world.clock.advance(MOVE_AFTER)
    assert world.hub.bytes == 0
    assert len(await collect(slow)) == len(body) - 64 * 1024
