import asyncio

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded, VariantTooLarge
from imcaxy.jobs.admission import MOST_OVERTAKEN
from imcaxy.jobs.slots import MOST_TOGETHER, Abandoned, Slots
from imcaxy.processors.base import Cost, Pixels
from imcaxy.tasks import Tasks
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


# Bursts.

SHARED = Cost(10, 1.0, Pixels("a", 5))


class Burst:
    """Jobs with a name each, which say how they began and end when told."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.began: dict[str, str | None] = {}
        self._tasks = Tasks()
        self._ends: dict[str, asyncio.Event] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}

    def ask(self, name: str, cost: Cost = SHARED, *, abandoned: bool = False) -> None:
        self._ends[name] = asyncio.Event()
        self._jobs[name] = self._tasks.start(self._run(name, cost, abandoned), name)

    async def _run(self, name: str, cost: Cost, abandoned: bool) -> None:
        async with self.slots.take(lambda: abandoned, cost) as burst:
            self.began[name] = burst
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self._jobs[name]
        await settle()

    def cancel(self, name: str) -> None:
        self._jobs[name].cancel()

    async def result(self, name: str) -> BaseException | None:
        await asyncio.wait([self._jobs[name]])
        return self._jobs[name].exception()


async def test_jobs_that_come_together_for_the_same_pixels_share_a_place_and_count_them_once() -> (
    None
):
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    for name in "bcd":
        jobs.ask(name)
    await settle()
    assert jobs.began == {"b": "a", "c": "a", "d": "a"}
    assert (slots.busy, slots.waiting, slots.memory) == (3, 0, 15)
    await jobs.end("b", "c", "d")
    assert (slots.busy, slots.memory) == (0, 0)


async def test_job_alone_is_in_no_burst_and_counts_no_pixels() -> None:
    slots = Slots(2, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("b")
    await settle()
    assert jobs.began == {"b": None}
    assert slots.memory == 10
    jobs.ask("c")
    await settle()
    assert jobs.began == {"b": None, "c": None}
    await jobs.end("b", "c")


async def test_job_that_comes_while_a_burst_runs_joins_it() -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("b")
    jobs.ask("c")
    await settle()
    jobs.ask("late")
    jobs.ask("other", Cost(10, 1.0, Pixels("z", 5)))
    await settle()
    assert jobs.began == {"b": "a", "c": "a", "late": "a"}
    await jobs.end("b", "c", "late", "other")
    assert jobs.began["other"] is None


async def test_jobs_that_wait_for_a_place_begin_together_and_others_keep_their_order() -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("first", Cost(10, 1.0))
    await settle()
    for name, cost in (("b", SHARED), ("between", Cost(10, 1.0)), ("c", SHARED)):
        jobs.ask(name, cost)
        await settle()
    await jobs.end("first")
    assert jobs.began == {"first": None, "b": "a", "c": "a"}
    await jobs.end("b")
    assert "between" not in jobs.began
    await jobs.end("c", "between")


async def test_burst_has_a_bound_and_the_next_one_follows() -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    names = [str(number) for number in range(MOST_TOGETHER + 2)]
    for name in names:
        jobs.ask(name)
    await settle()
    assert list(jobs.began) == names[:MOST_TOGETHER]
    await jobs.end(*names[:-3])
    assert slots.waiting == 2  # the last of the burst still has the place
    await jobs.end(names[-3])
    assert jobs.began[names[-1]] == "a"
    await jobs.end(*names[-2:])


async def test_burst_takes_the_memory_of_its_largest_and_gives_it_back() -> None:
    slots = Slots(1, 60.0, Clock(), memory=50)
    jobs = Burst(slots)
    jobs.ask("b")
    jobs.ask("larger", Cost(30, 1.0, Pixels("a", 5)))
    jobs.ask("too large", Cost(46, 1.0, Pixels("a", 5)))
    await settle()
    assert jobs.began == {"b": "a", "larger": "a"}
    assert slots.memory == 35
    await jobs.end("b", "larger")
    assert jobs.began["too large"] is None
    assert slots.memory == 46
    await jobs.end("too large")
    assert slots.memory == 0


async def test_pixels_that_do_not_fit_are_not_shared() -> None:
    slots = Slots(2, 60.0, Clock(), memory=40)
    jobs = Burst(slots)
    for name in "bc":
        jobs.ask(name, Cost(10, 1.0, Pixels("a", 31)))
    await settle()
    assert jobs.began == {"b": None, "c": None}
    assert slots.memory == 20
    await jobs.end("b", "c")


async def test_burst_takes_no_memory_from_one_that_has_waited_long_enough() -> None:
    slots = Slots(2, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("first", Cost(60, 1.0))
    await settle()
    jobs.ask("large", Cost(90, 1.0))
    await settle()
    for number in range(MOST_OVERTAKEN):
        jobs.ask(str(number), Cost(10, 1.0))
        await settle()
        await jobs.end(str(number))
    spare = Cost(5, 0.001, Pixels("a", 5))  # of which short jobs have some of their own
    jobs.ask("b", spare)
    jobs.ask("c", spare)
    await settle()
    assert jobs.began["b"] is None
    await jobs.end("first", "b", "c", "large")


async def test_others_who_have_left_make_no_burst() -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("b")
    jobs.ask("gone", abandoned=True)
    await settle()
    assert jobs.began == {"b": None}
    await jobs.end("b")
    assert isinstance(await jobs.result("gone"), Abandoned)


async def test_one_who_has_left_is_dropped_from_a_burst() -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    jobs.ask("b")
    jobs.ask("gone", abandoned=True)
    jobs.ask("c")
    await settle()
    assert jobs.began == {"b": "a", "c": "a"}
    assert isinstance(await jobs.result("gone"), Abandoned)
    await jobs.end("b", "c")


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_cancelled_at_any_step_of_a_burst_gives_its_part_back(turns: int) -> None:
    slots = Slots(1, 60.0, Clock(), memory=100)
    jobs = Burst(slots)
    for name in "bcd":
        jobs.ask(name)
    for _ in range(turns):
        await asyncio.sleep(0)
    jobs.cancel("b")
    jobs.cancel("c")
    await settle()
    assert jobs.began["d"] in (None, "a")
    await jobs.end("d")
    assert (slots.busy, slots.waiting, slots.memory) == (0, 0, 0)
