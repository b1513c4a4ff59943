import asyncio

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded, VariantTooLarge
from imcaxy.jobs.slots import Abandoned, Slots
from imcaxy.processors.base import Cost
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


async def begin(slots: Slots, cost: Cost, order: list[str], name: str, end: asyncio.Event) -> None:
    async with slots.take(never, cost):
        order.append(name)
        await end.wait()


async def test_job_that_needs_more_than_all_memory_is_refused_with_both_figures() -> None:
    slots = Slots(2, 60.0, Clock(), memory=100 * 2**20)
    with pytest.raises(VariantTooLarge) as caught:
        async with slots.take(never, Cost(101 * 2**20)):
            pass
    assert (caught.value.value, caught.value.accepted) == ("about 101 MiB", "up to 100 MiB")
    assert slots.busy == slots.memory == 0


async def test_jobs_begin_as_memory_is_free_and_small_ones_pass() -> None:
    slots, order, ends = Slots(4, 60.0, Clock(), memory=100), list[str](), list[asyncio.Event]()
    jobs = []
    for name, memory in (("a", 70), ("b", 70), ("c", 20)):
        ends.append(asyncio.Event())
        jobs.append(asyncio.gather(begin(slots, Cost(memory), order, name, ends[-1])))
        await settle()
    assert order == ["a", "c"]
    assert slots.memory == 90
    ends[0].set()
    await settle()
    assert order == ["a", "c", "b"]
    for end in ends:
        end.set()
    await asyncio.gather(*jobs)
    assert slots.memory == slots.busy == slots.waiting == 0


async def test_long_jobs_leave_a_place_to_short_ones_while_these_keep_coming() -> None:
    slots, order, end = Slots(2, 60.0, Clock()), list[str](), asyncio.Event()
    async with slots.take(never, Cost(1, 0.001)):
        pass
    jobs = []
    for name, seconds in (("long 1", 1.0), ("long 2", 1.0), ("short", 0.001)):
        jobs.append(asyncio.gather(begin(slots, Cost(1, seconds), order, name, end)))
        await settle()
    assert order == ["long 1", "short"]
    end.set()
    await asyncio.gather(*jobs)
    assert order[-1] == "long 2"


async def test_long_jobs_take_every_place_where_nobody_asks_for_short_ones() -> None:
    slots, order, end = Slots(2, 60.0, Clock()), list[str](), asyncio.Event()
    running = asyncio.gather(*(begin(slots, Cost(1, 1.0), order, "", end) for _ in range(2)))
    await settle()
    assert slots.busy == 2
    end.set()
    await running


async def test_jobs_behind_one_that_gives_up_begin_at_once() -> None:
    slots, order, end = Slots(2, 0.05, Clock(), memory=100), list[str](), asyncio.Event()
    first = asyncio.gather(begin(slots, Cost(60), order, "a", end))
    await settle()
    with pytest.raises(Overloaded):
        async with slots.take(never, Cost(60)):
            pass
    assert slots.waiting == 0
    end.set()
    await first


async def test_short_job_begins_beside_a_long_one_that_holds_all_memory() -> None:
    slots, order, end = Slots(2, 60.0, Clock(), memory=100), list[str](), asyncio.Event()
    running = asyncio.gather(begin(slots, Cost(100, 1.0), order, "long", end))
    await settle()
    async with asyncio.timeout(5), slots.take(never, Cost(12, 0.001)):
        assert (order, slots.memory) == (["long"], 112)
    end.set()
    await running
