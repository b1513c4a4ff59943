import asyncio

import pytest

from imcaxy.server.progress import Progress


async def wait_for_nothing(*seconds: float) -> None:
    async with Progress() as progress:
        for each in seconds:
            progress.expect(each)
        await asyncio.Event().wait()


async def test_waits_that_each_end_in_time_may_last_longer_together() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with Progress() as progress:
        while loop.time() - begun < 0.2:
            progress.expect(0.1)
            await asyncio.wait([loop.run_in_executor(None, int)])


async def test_wait_that_takes_too_long_ends_the_block() -> None:
    with pytest.raises(TimeoutError):
        await wait_for_nothing(0.02)


async def test_shorter_wait_after_a_longer_one_counts_from_its_own_start() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await wait_for_nothing(300.0, 0.02)
    assert loop.time() - begun < 100.0


async def test_deadline_that_was_moved_on_ends_the_block_when_it_comes() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await wait_for_nothing(0.02, 0.1)
    assert loop.time() - begun >= 0.1


async def test_cancellation_from_outside_stays_a_cancellation() -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with Progress() as progress:
            progress.expect(300.0)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_waits_hold_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    original = loop.call_at

    def counting(when: float, *arguments: object) -> asyncio.TimerHandle:
        timers.append(when)
        return original(when, *arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(loop, "call_at", counting)
    async with Progress() as progress:
        for _ in range(1000):
            progress.expect(60.0)
            progress.expect(30.0)
    assert len(timers) == 2  # the second wait was shorter than the first
