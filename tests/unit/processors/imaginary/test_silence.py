"""Several servers, some of which hang: they take connections and requests, and say nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import ProcessorTimeout
from imcaxy.processors.imaginary.choice import REST
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from tests.e2e.harness import Answer, Hold, ScriptedImaginary, eventually
from tests.fakes.clock import Told
from tests.unit.processors.imaginary.posting import PICTURE, failure_of, picture_of, processor_at

Engines = tuple[ScriptedImaginary, ScriptedImaginary, ScriptedImaginary]


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with ScriptedImaginary() as one, ScriptedImaginary() as other, ScriptedImaginary() as own:
        for engine in (one, other, own):
            engine.answer(Answer(PICTURE))
        yield one, other, own


@pytest.fixture
def clock() -> Told:
    return Told()


@pytest.fixture
async def processor(engines: Engines, clock: Told) -> AsyncIterator[ImaginaryProcessor]:
    urls = [engine.url for engine in engines]
    made = processor_at(*urls, timeout=20, first_byte=15, silence=0.8, clock=clock)
    await made.start()
    yield made
    await made.close()


def hang(engine: ScriptedImaginary) -> None:
    engine.answer(Answer(before=Hold()))
    engine.script("/health", Answer(before=Hold()))


def looks(engine: ScriptedImaginary) -> int:
    return sum(request.path == "/health" for request in engine.requests)


async def test_make_engine_that_hangs_costs_no_request_and_then_rests(
    engines: Engines, processor: ImaginaryProcessor, clock: Told
) -> None:
    hang(engines[0])
    for _ in range(6):
        assert await picture_of(processor) == PICTURE
    assert engines[0].made == 1
    for rests in range(1, 3):
        clock.time += REST * 2 ** (rests - 1)
        for _ in range(6):
            assert await picture_of(processor) == PICTURE
        assert engines[0].made == 1 + rests
    engines[0].answer(Answer(PICTURE))
    engines[0].script("/health", Answer(b"{}"))
    clock.time += REST * 4
    for _ in range(6):
        assert await picture_of(processor) == PICTURE
    assert engines[0].made > 4


async def test_make_engine_at_work_is_waited_for(
    engines: Engines, processor: ImaginaryProcessor
) -> None:
    hold = Hold()
    engines[0].answer(Answer(PICTURE, before=hold))
    async with asyncio.TaskGroup() as group:
        making = group.create_task(picture_of(processor))
        await eventually(lambda: looks(engines[0]) > 1)
        hold.release()
        assert await making == PICTURE
    assert [engine.made for engine in engines] == [1, 0, 0]


@pytest.mark.slow
async def test_make_picture_at_which_two_engines_hang_is_not_taken_to_the_third(
    engines: Engines, processor: ImaginaryProcessor
) -> None:
    hang(engines[0])
    hang(engines[1])
    assert type(await failure_of(processor)) is ProcessorTimeout
    assert [engine.made for engine in engines] == [1, 1, 0]
    assert await picture_of(processor) == PICTURE


@pytest.mark.slow
async def test_make_engine_that_is_known_to_hang_is_none_of_the_two(
    engines: Engines, processor: ImaginaryProcessor, clock: Told
) -> None:
    hang(engines[0])
    for _ in range(2):
        assert await picture_of(processor) == PICTURE
    clock.time += REST
    hang(engines[1])
    assert await picture_of(processor) == PICTURE
    assert [engine.made for engine in engines] == [2, 2, 2]


async def test_make_where_no_other_is_well_is_waited_for(engines: Engines, clock: Told) -> None:
    one, other, _ = engines
    processor = processor_at(one.url, other.url, first_byte=1.5, silence=0.1, clock=clock)
    await processor.start()
    await other.stop()
    for _ in range(2):
        assert await picture_of(processor) == PICTURE
    hang(one)
    assert type(await failure_of(processor)) is ProcessorTimeout
    assert looks(one) == 0
    await processor.close()
