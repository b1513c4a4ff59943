import asyncio
import random

import pytest

from imcaxy.errors import (
    ImcaxyError,
    Overloaded,
    ProcessorFailed,
    ProcessorUnavailable,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.hub.stream import Stream
from imcaxy.jobs.slots import Abandoned
from imcaxy.processors.base import Cost, Pixels
from tests.fakes.clock import settle
from tests.fakes.instance import Instance, collect
from tests.fakes.processor import Delivery


@pytest.fixture
def world() -> Instance:
    return Instance()


async def test_two_requests_cause_one_job(world: Instance) -> None:
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


async def test_queued_job_that_nobody_waits_for_is_dropped(world: Instance) -> None:
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


async def test_reader_that_joins_a_job_while_it_is_dropped_gets_the_picture(
    world: Instance,
) -> None:
    _, first = await world.making("a")
    _, second = await world.making("b")
    forgotten, _ = world.join("c")
    await settle()
    world.catalog.faults.hang("end_claim")
    first.deliver(b"a")
    await settle()  # the third job's turn came, nobody waited, and it ends its claim
    late, joined = world.join("c")
    assert joined
    assert late is forgotten
    world.wait(late)
    world.catalog.faults.heal()
    (await world.processor.delivery(2)).deliver(b"c")
    assert await collect(late.read()) == b"c"
    second.deliver(b"b")
    await world.idle()
    assert len(world.processor.deliveries) == 3
    world.assert_nothing_is_left()


async def test_failure_before_a_byte_is_shared_and_remembered(world: Instance) -> None:
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


async def test_variants_of_one_source_share_one_download(world: Instance) -> None:
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


async def test_jobs_past_the_bound_are_refused(world: Instance) -> None:
    world.reader.go.clear()
    streams = [world.join(str(number))[0] for number in range(8)]
    with pytest.raises(Overloaded) as caught:
        world.join("one too many")
    assert caught.value.retry_after
    world.reader.go.set()
    await world.idle()
    assert len(streams) == 8


@pytest.mark.slow
async def test_ten_thousand_failures_and_successes_leave_nothing_behind(world: Instance) -> None:
    dice = random.Random(7)
    stream: Stream | None = None
    for number in range(10_000):
        stream, _ = world.join(str(number % 50))
        readers = [world.tasks.start(_read(stream), "reader") for _ in range(dice.randrange(1, 4))]
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
    stream = None
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


async def test_sizes_of_one_source_that_wait_for_its_download_are_made_as_a_burst(
    world: Instance,
) -> None:
    world.processor.costs = Cost(10, 1.0, Pixels("pixels", 10))
    world.reader.go.clear()
    source = Source("url", "http://host/a.png")
    requests = [ImageRequest("resize", (("width", width),), source) for width in (100, 200, 300)]
    streams = [world.jobs.join(each, f"signature-{each}")[0] for each in requests]
    for stream in streams:
        world.wait(stream)
        await settle()
    world.reader.go.set()
    made = [await world.processor.delivery(number) for number in range(3)]
    assert [one.burst for one in made] == ["pixels"] * 3
    made[1].refuse(ProcessorFailed())
    for number in (0, 2):
        made[number].deliver(b"picture")
        assert await collect(streams[number].read()) == b"picture"
    with pytest.raises(ProcessorFailed):
        await streams[1].started()
    await world.idle()
    streams.clear()
    del stream
    world.assert_nothing_is_left()
