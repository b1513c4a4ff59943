import asyncio
import threading

import pytest

from imcaxy.store.threads import Threads


async def test_result_and_error_come_back() -> None:
    threads = Threads("test", 1)
    assert await threads.run(lambda: 7, 5.0) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, 5.0)
    await threads.close(5.0)


async def test_late_result_goes_to_late() -> None:
    threads, release, late = Threads("test", 1), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    got: list[str] = []

    def take(result: str) -> None:
        got.append(result)
        loop.call_soon_threadsafe(late.set)

    def slow() -> str:
        release.wait(5)
        return "descriptor"

    with pytest.raises(TimeoutError):
        await threads.run(slow, 0.01, take)
    release.set()
    await asyncio.wait_for(late.wait(), 5)
    assert got == ["descriptor"]
    await threads.close(5.0)


async def test_given_up_before_its_turn_never_runs() -> None:
    threads, release = Threads("test", 1), threading.Event()
    ran: list[int] = []
    threads.begin(lambda: release.wait(5))
    with pytest.raises(TimeoutError):
        await threads.run(lambda: ran.append(1), 0.01)
    release.set()
    await threads.run(lambda: ran.append(2), 5.0)
    assert ran == [2]
    await threads.close(5.0)


async def test_full_backlog_is_a_timeout_at_once() -> None:
    threads, release, running = Threads("test", 1, backlog=2), threading.Event(), threading.Event()

    def hold() -> None:
        running.set()
        release.wait(5)

    threads.begin(hold)
    assert running.wait(5)
    threads.begin(int)
    threads.begin(int)
    with pytest.raises(TimeoutError):
        await threads.run(int, 60.0)
    release.set()
    await threads.close(5.0)


async def test_close_ends_every_thread_and_says_farewell_on_each() -> None:
    threads = Threads("farewell", 3)
    said: list[str] = []
    threads.at_end(lambda: said.append(threading.current_thread().name))
    await threads.run(int, 5.0)
    await threads.close(5.0)
    assert sorted(said) == ["farewell-0", "farewell-1", "farewell-2"]
    with pytest.raises(TimeoutError):
        await threads.run(int, 5.0)


async def test_close_does_not_wait_for_a_thread_that_hangs() -> None:
    threads, release = Threads("test", 1), threading.Event()
    threads.begin(lambda: release.wait(30))
    async with asyncio.timeout(5):
        await threads.close(0.01)
    release.set()
