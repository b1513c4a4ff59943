import asyncio
import os
import signal

import pytest

from imcaxy.errors import (
    ImcaxyError,
    Overloaded,
    ProcessorCrashed,
    ProcessorTimeout,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.processors.vips.pool import Pool
from imcaxy.processors.vips.processor import VipsProcessor
from tests.corpus import photo
from tests.fakes.wire import until
from tests.unit.processors.vips.making import original, processor, request
from tests.unit.processors.vips.pools import MOST, children, gone, pool_of

BODY = b"picture"


async def ask(pool: Pool, burst: str | None = "a") -> bytes:
    answer = await pool.run({"question": 1}, [BODY], MOST, burst)
    return b"".join(answer.pieces)


async def outcomes(pool: Pool, count: int, burst: str = "a") -> list[bytes | BaseException]:
    asked = (ask(pool, burst) for _ in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_burst_is_answered_by_one_child_that_gets_the_source_once() -> None:
    async with pool_of("telling", processes=3) as pool:
        told = await outcomes(pool, 4)
        assert told == [b"keep picture", b"keep", b"keep", b"keep"]
        assert len(pool.children) == 1


async def test_two_bursts_have_a_child_each() -> None:
    async with pool_of("telling", processes=2) as pool:
        told = await asyncio.gather(outcomes(pool, 2, "a"), outcomes(pool, 2, "b"))
        assert list(told) == [[b"keep picture", b"keep"]] * 2
        assert sorted(child.jobs for child in pool.children) == [2, 2]


async def test_child_forgets_when_the_last_of_a_burst_has_left() -> None:
    async with pool_of("telling") as pool:
        await outcomes(pool, 2)
        assert await ask(pool, None) == b"forgot picture"
        assert await ask(pool, None) == b"picture"
        assert await outcomes(pool, 1) == [b"keep picture"]


async def test_child_that_reported_a_fault_of_one_picture_goes_on_with_the_burst() -> None:
    async with pool_of("complaining") as pool:
        assert [type(told) for told in await outcomes(pool, 3)] == [Undecodable] * 3
        (child,) = pool.children
        assert child.jobs == 3


FAULTS: dict[str, type[ImcaxyError]] = {
    "crashing once": ProcessorCrashed,
    "hanging once": ProcessorTimeout,
    "spent once": VariantTooLarge,
}


@pytest.mark.parametrize("manner", FAULTS)
async def test_fault_of_the_child_costs_one_of_a_burst_the_rest_gets_another(manner: str) -> None:
    timeout = 1.0 if FAULTS[manner] is ProcessorTimeout else 10.0
    async with pool_of(manner, timeout=timeout) as pool:
        told = await outcomes(pool, 4)
        kinds = [FAULTS[manner] if isinstance(one, BaseException) else bytes for one in told]
        assert kinds == [bytes, FAULTS[manner], bytes, FAULTS[manner]]
        assert [one for one in told if isinstance(one, bytes)] == [b"keep picture"] * 2


async def test_child_that_dies_between_two_of_a_burst_is_replaced() -> None:
    async with pool_of("telling") as pool:
        async with pool._bursts.lent("a") as child:
            rest = asyncio.gather(outcomes(pool, 2))
            await asyncio.sleep(0)
            os.kill(child.pid, signal.SIGKILL)
            await until(lambda: not child.alive)
            child.clean = True
        assert (await rest)[0] == [b"keep picture", b"keep"]
        await gone(child.pid)


async def test_cancelled_one_of_a_burst_takes_nobody_along() -> None:
    async with pool_of("hanging once", timeout=30) as pool:
        assert await ask(pool) == b"keep picture"
        first = asyncio.gather(ask(pool))
        await until(lambda: any(child.jobs == 2 for child in pool.children))
        (pid,) = await children(pool, 1)
        second = asyncio.gather(ask(pool))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second)[0] == b"keep picture"
        await gone(pid)


async def test_cancelled_while_waiting_for_its_turn_leaves_the_burst_as_it_is() -> None:
    async with pool_of("telling") as pool:
        async with pool._bursts.lent("a"):
            waiting = asyncio.gather(ask(pool))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await ask(pool) == b"keep picture"


async def test_waiting_too_long_for_the_others_is_overloaded() -> None:
    async with pool_of("telling", queue_timeout=0.05) as pool, pool._bursts.lent("a"):
        with pytest.raises(Overloaded) as caught:
            await ask(pool)
        assert caught.value.retry_after == 1


async def test_program_that_does_not_start_leaves_nothing_behind() -> None:
    async with pool_of("stillborn") as pool:
        told = await outcomes(pool, 2)
        assert all(isinstance(one, ImcaxyError) for one in told)
        assert pool.children == ()
        assert not pool._bursts._loans


async def test_close_in_the_middle_of_a_burst_fails_all_of_it() -> None:
    async with pool_of("hanging", timeout=30) as pool:
        told = asyncio.gather(outcomes(pool, 3))
        await until(lambda: any(child.jobs for child in pool.children))
        (pid,) = await children(pool, 1)
    assert all(isinstance(one, ImcaxyError) for one in (await told)[0])
    await gone(pid)


async def made(maker: VipsProcessor, name: str, width: int, burst: str | None) -> object:
    item = photo(name)
    wish = request("resize", {"width": width, "type": "webp"}, item)
    try:
        async with maker.make(wish, [original(item)], burst) as picture:
            return [piece async for piece in picture.chunks]
    except ImcaxyError as error:
        return type(error)


@pytest.mark.parametrize("name", ["png-16-bit-alpha", "jpeg-exif-6", "png-shipped-truncated"])
async def test_burst_of_real_children_gives_the_bytes_that_each_alone_gives(name: str) -> None:
    maker = processor()
    try:
        widths = (40, 97, 250, 300)
        alone = [await made(maker, name, width, None) for width in widths]
        burst = await asyncio.gather(*(made(maker, name, width, "a") for width in widths))
        assert list(burst) == alone
    finally:
        await maker.close()


async def test_killing_a_real_child_in_a_burst_costs_one_picture() -> None:
    maker = processor(processes=1)
    name = "jpeg-24-megapixels"
    try:
        expected = await made(maker, name, 3000, None)
        burst = asyncio.gather(*(made(maker, name, 3000, "a") for _ in range(3)))
        await until(lambda: any(child.jobs == 2 for child in maker.pool.children))
        (child,) = maker.pool.children
        os.kill(child.pid, signal.SIGKILL)
        assert list(await burst) == [ProcessorCrashed, expected, expected]
    finally:
        await maker.close()
