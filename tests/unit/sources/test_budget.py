"""A bound that is waited for."""

import asyncio

import pytest

from imcaxy.errors import Overloaded
from imcaxy.sources.budget import Budget
from tests.fakes.clock import settle


async def test_take_room_left_does_not_wait() -> None:
    budget = Budget(10, waiting=1, timeout=5)
    await budget.take(4)
    await budget.take(6)
    assert budget.taken == 10


async def test_take_full_waits_in_order() -> None:
    budget = Budget(10, waiting=5, timeout=5)
    await budget.take(10)
    order: list[int] = []

    async def taker(units: int) -> None:
        await budget.take(units)
        order.append(units)

    async with asyncio.TaskGroup() as group:
        group.create_task(taker(8))
        group.create_task(taker(2))  # would fit earlier, but came later
        await settle()
        budget.give(5)
        await settle()
        assert order == []
        budget.give(5)
    assert order == [8, 2]
    assert budget.taken == 10


async def test_take_full_past_the_timeout_is_overloaded_and_takes_nothing() -> None:
    budget = Budget(1, waiting=5, timeout=0.01)
    await budget.take(1)
    with pytest.raises(Overloaded) as caught:
        await budget.take(1)
    assert caught.value.retry_after is not None
    budget.give(1)
    assert (budget.taken, len(budget)) == (0, 0)


async def test_take_queue_full_is_overloaded_at_once() -> None:
    budget = Budget(1, waiting=0, timeout=60)
    await budget.take(1)
    with pytest.raises(Overloaded):
        await budget.take(1)


async def test_take_more_than_the_limit_is_overloaded_at_once() -> None:
    with pytest.raises(Overloaded):
        await Budget(1, waiting=9, timeout=60).take(2)


async def test_take_cancelled_leaves_its_place_to_the_next() -> None:
    budget = Budget(10, waiting=5, timeout=5)
    await budget.take(5)
    async with asyncio.TaskGroup() as group:
        large = group.create_task(budget.take(9))
        await settle()
        group.create_task(budget.take(3))
        await settle()
        assert budget.taken == 5
        large.cancel()
    assert budget.taken == 8


async def test_take_cancelled_in_the_step_of_its_turn_gives_it_back() -> None:
    budget = Budget(1, waiting=5, timeout=5)
    await budget.take(1)
    waiter = asyncio.get_running_loop().create_task(budget.take(1))
    await settle()
    budget.give(1)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert (budget.taken, len(budget)) == (0, 0)


async def test_give_while_a_waiter_is_being_cancelled_passes_it_over() -> None:
    budget = Budget(1, waiting=5, timeout=5)
    await budget.take(1)
    async with asyncio.TaskGroup() as group:
        leaving, staying = (group.create_task(budget.take(1)) for _ in range(2))
        await settle()
        leaving.cancel()
        budget.give(1)
    assert leaving.cancelled()
    assert staying.done()
    assert (budget.taken, len(budget)) == (1, 0)
