import asyncio
import gc
import logging

import pytest

from imcaxy.tasks import Tasks


async def test_start_returns_a_task_with_the_result() -> None:
    async def work() -> int:
        return 7

    tasks = Tasks()
    assert await tasks.start(work(), "work") == 7


async def test_task_runs_to_its_end_without_anyone_holding_it() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    tasks = Tasks()
    tasks.detach(work(), "work")
    assert len(tasks) == 1
    gc.collect()
    go.set()
    async with asyncio.timeout(5):
        await done.wait()
        await tasks.drain(5)
    assert len(tasks) == 0


async def test_task_that_fails_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise LookupError("broken")

    tasks = Tasks()
    with caplog.at_level(logging.ERROR, "imcaxy.tasks"), pytest.raises(LookupError):
        await tasks.start(work(), "sweep")
    (record,) = caplog.records
    assert vars(record)["task"] == "sweep"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


async def test_task_that_is_cancelled_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.Event().wait(), "waiting")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.records == []
    assert len(tasks) == 0


async def test_drain_lets_tasks_end_in_time() -> None:
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "ended"

    tasks = Tasks()
    task = tasks.start(work(), "work")
    asyncio.get_running_loop().call_soon(go.set)
    await tasks.drain(5)
    assert task.result() == "ended"


async def test_drain_cancels_what_does_not_end_in_time() -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.Event().wait(), "forever")
    await tasks.drain(0)
    assert task.cancelled()
    assert len(tasks) == 0


async def test_drain_with_nothing_running_returns() -> None:
    await Tasks().drain(5)
