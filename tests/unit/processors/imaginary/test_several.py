import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import Overloaded, ProcessorFailed, ProcessorTimeout, ProcessorUnavailable
from imcaxy.processors.imaginary.choice import LOSSES, REST
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from tests.e2e.harness import Answer, Hold, ScriptedImaginary, failure
from tests.fakes.clock import FakeClock
from tests.unit.processors.imaginary.posting import (
    PICTURE,
    REQUEST,
    failure_of,
    original,
    picture_of,
    processor_at,
)


@pytest.fixture
async def engines() -> AsyncIterator[tuple[ScriptedImaginary, ScriptedImaginary]]:
    async with ScriptedImaginary() as one, ScriptedImaginary() as other:
        for engine in (one, other):
            engine.answer(Answer(PICTURE))
        yield one, other


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def processor(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], clock: FakeClock
) -> AsyncIterator[ImaginaryProcessor]:
    made = processor_at(*(engine.url for engine in engines), clock=clock)
    await made.start()
    yield made
    await made.close()


async def test_make_goes_to_the_least_busy(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    hold = Hold()
    engines[0].answer(Answer(PICTURE, hold=hold))
    async with processor.make(REQUEST, [original()]):
        await hold.reached()
        for _ in range(5):
            assert await picture_of(processor) == PICTURE
    assert (engines[0].made, engines[1].made) == (1, 5)


async def test_make_dead_engine_costs_no_request_and_is_left_alone_for_a_while(
    engines: tuple[ScriptedImaginary, ScriptedImaginary],
    processor: ImaginaryProcessor,
    clock: FakeClock,
) -> None:
    await engines[0].stop()
    for _ in range(4):
        assert await picture_of(processor) == PICTURE
    assert engines[1].made == 4
    await engines[0].start()
    assert await picture_of(processor) == PICTURE
    assert engines[0].made == 0
    await clock.advance(REST)
    for _ in range(3):
        assert await picture_of(processor) == PICTURE
    assert engines[0].made >= 1


async def test_make_all_dead_is_unavailable_and_works_again_at_once(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    for engine in engines:
        await engine.stop()
    assert type(await failure_of(processor)) is ProcessorUnavailable
    await engines[1].start()
    assert await picture_of(processor) == PICTURE


@pytest.mark.parametrize("status", [429, 503])
async def test_make_engine_at_its_limit_is_replaced(
    engines: tuple[ScriptedImaginary, ScriptedImaginary],
    processor: ImaginaryProcessor,
    status: int,
) -> None:
    engines[0].answer(failure(status, "limit exceeded"))
    for _ in range(4):
        assert await picture_of(processor) == PICTURE
    assert (engines[0].made, engines[1].made) == (1, 4)
    engines[1].answer(failure(429, "limit exceeded"))
    assert isinstance(await failure_of(processor), Overloaded | ProcessorUnavailable)


async def test_make_picture_that_kills_its_engine_is_not_taken_to_the_next(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    for engine in engines:
        engine.answer(Answer(end="silent"))
    await processor.close()
    await processor.start()
    assert type(await failure_of(processor)) is ProcessorUnavailable
    assert engines[1].made == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(PICTURE, before=Hold()), ProcessorTimeout),
        (Answer(PICTURE, end="fin"), ProcessorFailed),
        (Answer(b"<html>", media_type="text/html"), ProcessorFailed),
    ],
)
async def test_make_engine_that_loses_answers_rests_after_some_in_a_row(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], answer: Answer, kind: type[Exception]
) -> None:
    processor = processor_at(*(each.url for each in engines), first_byte=0.3, clock=FakeClock())
    await processor.start()
    engines[0].answer(answer)
    failed = 0
    for _ in range(4 * LOSSES):
        try:
            assert await picture_of(processor) == PICTURE
        except kind:
            failed += 1
    assert (failed, engines[0].made) == (LOSSES, LOSSES)
    await processor.close()


async def test_make_cancelled_leaves_its_engine_as_it_was(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    for engine in engines:
        engine.answer(Answer(PICTURE, before=Hold()))
    for _ in range(2 * LOSSES):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await picture_of(processor)
    assert [standing.busy for standing in processor._standings] == [0, 0]
    assert all(standing.open(0) for standing in processor._standings)


async def test_picture_tells_the_version_of_the_engine_that_made_it(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    for number, engine in enumerate(engines):
        engine.answer(Answer(PICTURE, headers=(("Server", f"imaginary 1.{number}"),)))
    seen = set()
    for _ in range(2):
        async with processor.make(REQUEST, [original()]) as picture:
            seen.add(picture.version)
            assert [chunk async for chunk in picture.chunks]
    assert seen == {"1.0", "1.1"}
    assert processor.version == "1.0, 1.1"


async def test_check_names_every_engine_and_fails_when_one_does(
    engines: tuple[ScriptedImaginary, ScriptedImaginary], processor: ImaginaryProcessor
) -> None:
    line = await processor.check()
    assert all(f"127.0.0.1:{engine.port}" in line for engine in engines)
    await engines[1].stop()
    with pytest.raises(ProcessorUnavailable) as raised:
        await processor.check()
    assert f"Imaginary at 127.0.0.1:{engines[0].port}" in raised.value.detail
    assert f"127.0.0.1:{engines[1].port}: The picture's maker cannot be reached" in (
        raised.value.detail
    )
