import asyncio

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded
from imcaxy.jobs.slots import Abandoned, Slots
from tests.fakes.clock import settle


def never() -> bool:
    return False


async def hold(slots: Slots, release: asyncio.Event, order: list[int], number: int) -> None:
    async with slots.take(never):
        order.append(number)
        await release.wait()


async def test_jobs_past_the_bound_wait_their_turn_in_order() -> None:
    slots, order = Slots(1, 60.0, Clock()), list[int]()
    releases = [asyncio.Event() for _ in range(3)]
    jobs = [asyncio.gather(hold(slots, e, order, n)) for n, e in enumerate(releases)]
    await settle()
    assert order == [0]
    assert slots.waiting == 2
    assert slots.busy == 1
    for number, release in enumerate(releases):
        release.set()
        await settle()
        assert order[: number + 2] == list(range(min(number + 2, 3)))
    await asyncio.gather(*jobs)
    assert slots.busy == slots.waiting == 0


async def test_job_that_waits_too_long_is_refused_with_a_time_to_come_back() -> None:
    slots, release = Slots(1, 0.01, Clock()), asyncio.Event()
    running = asyncio.gather(hold(slots, release, [], 0))
    await settle()
    with pytest.raises(Overloaded) as caught:
        async with slots.take(never):
            pass
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 1
    release.set()
    await running
    assert slots.busy == slots.waiting == 0


async def test_job_that_nobody_waits_for_is_dropped_at_its_turn() -> None:
    slots, release, order = Slots(1, 60.0, Clock()), asyncio.Event(), list[int]()
    running = asyncio.gather(hold(slots, release, order, 0))
    await settle()

    async def forgotten() -> None:
        async with slots.take(lambda: True):
            order.append(99)

    dropped = asyncio.gather(forgotten(), return_exceptions=True)
    last = asyncio.gather(hold(slots, release, order, 1))
    await settle()
    release.set()
    assert isinstance((await dropped)[0], Abandoned)
    await asyncio.gather(running, last)
    assert order == [0, 1]
    assert slots.busy == 0


async def test_job_cancelled_at_its_turn_passes_the_turn_on() -> None:
    slots, release, order = Slots(1, 60.0, Clock()), asyncio.Event(), list[int]()
    first = asyncio.gather(hold(slots, release, order, 0))
    await settle()
    second = asyncio.gather(hold(slots, release, order, 1), return_exceptions=True)
    third = asyncio.gather(hold(slots, release, order, 2))
    await settle()
    release.set()
    second.cancel()
    await asyncio.gather(first, third)
    await asyncio.gather(second, return_exceptions=True)
    assert slots.busy == slots.waiting == 0
    assert 2 in order


async def test_retry_after_grows_with_the_queue_and_stays_within_a_minute() -> None:
    slots = Slots(2, 60.0, Clock())
    assert slots.retry_after() == 1.0
    slots._typical = 10.0
    assert slots.retry_after() == 5.0
    slots._typical = 1000.0
    assert slots.retry_after() == 60.0
