import asyncio
import gc
import random
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import (
    ImcaxyError,
    InternalError,
    Overloaded,
    ProcessorFailed,
    ProcessorUnavailable,
    SourceMissing,
    VariantTooLarge,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.hub.hub import Hub
from imcaxy.hub.stream import Stream
from imcaxy.jobs import outcome as outcomes
from imcaxy.jobs.claims import Claims
from imcaxy.jobs.failures import Failures
from imcaxy.jobs.job import MOVE_AFTER, Parts
from imcaxy.jobs.jobs import Jobs
from imcaxy.jobs.slots import Abandoned, Slots
from imcaxy.sources.downloads import DownloadLimits, Downloads
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import Store
from imcaxy.tasks import Tasks
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle
from tests.fakes.processor import Delivery, FakeProcessor
from tests.fakes.sources import HeldReader

PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


class World:
    """One instance: everything real but the engine, the origin and the two stores."""

    def __init__(self, rows: Rows | None = None, name: str = "me", blobs: FakeBlobs | None = None):
        self.clock, self.tasks = FakeClock(), Tasks()
        self.catalog, self.blobs = FakeCatalog(rows), blobs or FakeBlobs()
        self.memory = MemoryTier(20_000_000)
        self.store = Store(
            self.catalog, self.blobs, self.memory, self.clock, self.tasks, timeout=5.0
        )
        self.hub = Hub(20_000_000, 10_000_000)
        self.processor = FakeProcessor()
        self.reader = HeldReader(lambda _source: PIXEL)
        self.reader.go.set()
        limits = DownloadLimits(10_000, 10, 10_000_000, 8, wait=5.0)
        self.downloads = Downloads(
            {"url": self.reader}, limits, self.tasks, lambda source: purge_keys([source])
        )
        self.failures = Failures(self.clock, jitter=lambda: 0.5)
        self.slots = Slots(2, 60.0, self.clock)
        self.parts = Parts(
            hub=self.hub,
            store=self.store,
            claims=Claims(self.catalog, name, self.clock, self.tasks, jitter=lambda: 0.5),
            downloads=self.downloads,
            processor=self.processor,
            slots=self.slots,
            failures=self.failures,
            clock=self.clock,
            tasks=self.tasks,
            claim_timeout=5.0,
        )
        self.jobs = Jobs(self.parts, 8, lambda: LOG_START, self.tasks)

    def join(self, name: str = "a") -> tuple[Stream, bool]:
        request = ImageRequest("resize", (), Source("url", f"http://host/{name}.png"))
        return self.jobs.join(request, f"signature-{name}")

    async def making(self, name: str = "a") -> tuple[Stream, Delivery]:
        """A stream whose processor has been asked."""
        number = len(self.processor.deliveries)
        stream, _ = self.join(name)
        self.wait(stream)
        return stream, await self.processor.delivery(number)

    def wait(self, stream: Stream) -> None:
        """Somebody waits for it."""
        self.tasks.detach(_quietly(stream), "waiter")

    async def idle(self) -> None:
        """Return when nothing runs any more."""
        for _ in range(100):
            await settle()
            if not len(self.jobs):
                break
        await settle()

    def assert_nothing_is_left(self) -> None:
        gc.collect()  # exceptions that pytest still holds refer to frames, and these to streams
        assert len(self.hub) == len(self.jobs) == len(self.tasks) == 0
        assert self.hub.bytes == 0
        assert self.downloads.bytes_held == 0
        assert self.slots.busy == self.slots.waiting == 0


async def _quietly(stream: Stream) -> None:
    try:
        await stream.started()
    except ImcaxyError:
        return


async def collect(pieces: AsyncIterator[bytes | memoryview]) -> bytes:
    return b"".join([bytes(piece) async for piece in pieces])


@pytest.fixture
def world() -> World:
    return World()


async def test_two_requests_cause_one_job(world: World) -> None:
    first, joined_first = world.join()
    second, joined_second = world.join()
    assert first is second
    assert (joined_first, joined_second) == (False, True)
    world.wait(first)
    (await world.processor.delivery(0)).deliver(b"picture")
    assert await collect(first.read()) == b"picture"
    await world.idle()
    assert len(world.processor.deliveries) == 1
    world.assert_nothing_is_left()


async def test_finished_picture_is_kept_with_its_etag(world: World) -> None:
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


async def test_readers_go_on_when_the_first_has_left(world: World) -> None:
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


async def test_started_job_goes_on_when_everybody_has_left(world: World) -> None:
    stream, delivery = await world.making()
    await settle()
    delivery.deliver(b"picture")
    await world.idle()
    assert stream.abandoned
    assert await world.store.look_up("signature-a") is not None


async def test_queued_job_that_nobody_waits_for_is_dropped(world: World) -> None:
    _, first = await world.making("a")
    _, second = await world.making("b")
    forgotten, _ = world.join("c")
    await settle()
    first.deliver(b"a")
    second.deliver(b"b")
    await world.idle()
    assert len(world.processor.deliveries) == 2
    with pytest.raises(Abandoned):
        await forgotten.started()
    world.assert_nothing_is_left()


async def test_failure_before_a_byte_is_shared_and_remembered(world: World) -> None:
    stream, delivery = await world.making()
    delivery.refuse(ProcessorUnavailable("down"))
    with pytest.raises(ProcessorUnavailable):
        await stream.started()
    await world.idle()
    with pytest.raises(ProcessorUnavailable) as caught:
        world.join()
    assert caught.value.retry_after is not None
    await world.clock.advance(3.0)
    again, joined = world.join()
    assert not joined
    world.wait(again)
    (await world.processor.delivery(1)).deliver(b"picture")
    assert await collect(again.read()) == b"picture"
    await world.idle()
    world.assert_nothing_is_left()


async def test_failure_after_bytes_is_never_kept(world: World) -> None:
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


async def test_body_shorter_than_announced_is_never_kept(world: World) -> None:
    stream, delivery = await world.making()
    delivery.begin(10)
    delivery.send(b"half")
    delivery.end()
    with pytest.raises(InternalError):
        await collect(stream.read())
    await world.idle()
    assert not world.blobs.held


async def test_fault_of_the_engine_is_an_internal_error(world: World) -> None:
    stream, delivery = await world.making()
    delivery.refuse(ValueError("a bug"))
    with pytest.raises(InternalError):
        await stream.started()
    await world.idle()
    world.assert_nothing_is_left()


async def test_picture_past_its_limit_fails_the_stream(world: World) -> None:
    stream, delivery = await world.making()
    delivery.begin()
    delivery.send(b"x" * 10_000_001)
    with pytest.raises(VariantTooLarge):
        await collect(stream.read())
    await world.idle()
    world.assert_nothing_is_left()


async def test_missing_source_fails_without_asking_the_processor(world: World) -> None:
    def missing(_source: Source) -> bytes:
        raise SourceMissing("no such picture")

    world.reader.answer = missing
    stream, _ = world.join()
    with pytest.raises(SourceMissing):
        await stream.started()
    await world.idle()
    assert not world.processor.deliveries
    world.assert_nothing_is_left()


async def test_variants_of_one_source_share_one_download(world: World) -> None:
    world.reader.go.clear()
    source = Source("url", "http://host/a.png")
    for width in range(4):
        request = ImageRequest("resize", (("width", width + 1),), source)
        stream, _ = world.jobs.join(request, f"width-{width}")
        world.wait(stream)
    await settle()
    world.reader.go.set()
    for number in range(4):
        (await world.processor.delivery(number)).deliver(b"picture")
        await settle()
    await world.idle()
    assert world.reader.started == 1
    world.assert_nothing_is_left()


async def test_jobs_past_the_bound_are_refused(world: World) -> None:
    world.reader.go.clear()
    streams = [world.join(str(number))[0] for number in range(8)]
    with pytest.raises(Overloaded) as caught:
        world.join("one too many")
    assert caught.value.retry_after
    world.reader.go.set()
    await world.idle()
    assert len(streams) == 8


@pytest.mark.parametrize("operation", ["claims", "insert_claim", "find"])
async def test_catalog_that_fails_costs_keeping_only(world: World, operation: str) -> None:
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
async def test_blob_store_that_fails_costs_keeping_only(world: World, operation: str) -> None:
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


async def test_entry_that_cannot_be_written_costs_keeping_only(world: World) -> None:
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
    one, two = World(rows, "one", blobs), World(rows, "two", blobs)
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


async def test_large_picture_is_freed_when_its_readers_had_their_time(world: World) -> None:
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


@pytest.mark.slow
async def test_ten_thousand_failures_and_successes_leave_nothing_behind(world: World) -> None:
    dice = random.Random(7)
    for number in range(10_000):
        stream, _ = world.join(str(number % 50))
        readers = [
            world.tasks.start(_read(stream), "reader") for _ in range(dice.randrange(1, 4))
        ]
        await settle(dice.randrange(3))
        delivery = await world.processor.delivery(number)
        if dice.random() < 0.3:
            readers[0].cancel()
        _end(delivery, dice, bad=number % 2 == 0)
        await asyncio.wait(readers)
        while len(world.jobs):
            await settle(5)
        await world.clock.advance(100.0)
        world.memory.clear()
        world.catalog.rows.entries.clear()
        world.catalog.rows.claims.clear()
        world.blobs.held.clear()
    await world.idle()
    del stream
    world.assert_nothing_is_left()


def _end(delivery: Delivery, dice: random.Random, *, bad: bool) -> None:
    if not bad:
        delivery.deliver(b"picture")
    elif dice.random() < 0.5:
        delivery.refuse(ProcessorFailed("before a byte"))
    else:
        delivery.begin(7)
        delivery.send(b"pic")
        delivery.end(ProcessorFailed("after bytes"))


async def _read(stream: Stream) -> None:
    try:
        await stream.started()
        await collect(stream.read())
    except ImcaxyError:
        return
