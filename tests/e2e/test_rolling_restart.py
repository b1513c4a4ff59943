"""SIGHUP, SIGTERM and dying workers under load: nobody's request is lost."""

import asyncio
import os
import signal
from pathlib import Path

import orjson
import pytest

from tests.e2e.crew import Crew
from tests.e2e.harness import Answer, Hold, Stack, eventually, png_of, stack
from tests.e2e.server import WORKER_READY
from tests.e2e.visitors import Seen, visiting
from tests.e2e.wire import Getting
from tests.faults.processes import alive, cpu

BODY = png_of(100_000, seed=5)
HALF = len(BODY) // 2
SETTLED = 0.5  # seconds of load before and after what a test does


async def reload(stage: Stack, crew: Crew) -> None:
    """Replace every worker; returns when the old ones are gone."""
    before, ready = crew.pids, stage.server.output.count(WORKER_READY)
    stage.server.process.send_signal(signal.SIGHUP)
    await stage.server.workers_ready(ready + len(before))
    await eventually(lambda: not before & crew.pids)
    assert len(crew.pids) == len(before)


async def halfway(stage: Stack, count: int) -> list[Getting]:
    """Readers of as many pictures, each with its first half."""
    readers = [await stage.begin(100 + number) for number in range(count)]
    for reader in readers:
        await reader.read(HALF)
    return readers


async def assert_whole(readers: list[Getting]) -> None:
    for reader in readers:
        response = await reader.rest()
        assert response.whole
        assert response.body == BODY


def assert_nothing_was_lost(seen: Seen) -> None:
    assert seen.refused == []
    assert seen.broken == []
    assert seen.wrong == []


async def test_restart_of_all_workers_under_load_loses_no_request(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2) as stage:
        stage.imaginary.answer(Answer(BODY, delay=0.02))
        crew = Crew(stage.server)
        async with visiting(stage, BODY, keeping=20, coming=10) as seen:
            await asyncio.sleep(SETTLED)
            await reload(stage, crew)
            await asyncio.sleep(SETTLED)
        assert_nothing_was_lost(seen)
        assert seen.retried == 0
        assert seen.closed
        assert seen.answers["Imcaxy; hit; detail=memory"] > 100
        assert seen.answers["Imcaxy; fwd=miss; stored"] > 20


async def test_hang_up_of_the_whole_group_is_a_restart_and_cuts_nobody(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2) as stage:
        crew, hold = Crew(stage.server), Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        readers = await halfway(stage, 8)
        before = crew.pids
        os.killpg(stage.server.process.pid, signal.SIGHUP)
        await stage.server.workers_ready(3)
        hold.release()
        await assert_whole(readers)
        await stage.server.workers_ready(4)
        await eventually(lambda: not before & crew.pids)


@pytest.mark.parametrize("load", ["idle", "load"])
async def test_worker_that_is_killed_is_replaced_and_no_connection_is_refused(
    tmp_path: Path, load: str
) -> None:
    async with stack(tmp_path, workers=3) as stage:
        stage.imaginary.answer(Answer(BODY, delay=0.02))
        crew = Crew(stage.server)
        keeping, coming = (20, 10) if load == "load" else (0, 0)
        async with visiting(stage, BODY, keeping=keeping, coming=coming) as seen:
            await asyncio.sleep(SETTLED if load == "load" else 0)
            victim = max(crew.pids)
            loop = asyncio.get_running_loop()
            os.kill(victim, signal.SIGKILL)
            killed = loop.time()
            async with asyncio.timeout(30):
                answers = await stage.many(40)
            await stage.server.workers_ready(4)
            await asyncio.sleep(SETTLED if load == "load" else 0)
        assert {(each.status, each.body == BODY, each.whole) for each in answers} == {
            (200, True, True)
        }
        assert victim not in crew.pids
        assert len(crew.pids) == 3
        assert (seen.refused, seen.wrong) == ([], [])
        assert len(seen.broken) + seen.retried <= keeping + coming  # one connection each
        assert all(abs(at - killed) < 1.0 for at in seen.broken)


async def test_stop_of_the_parent_lets_downloads_of_all_workers_end_whole(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=3) as stage:
        crew, hold = Crew(stage.server), Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        readers = await halfway(stage, 24)
        assert len(crew.serving()) == 3
        workers = crew.pids
        stage.server.process.send_signal(signal.SIGTERM)
        await refused(stage)
        assert crew.pids == workers
        assert hold.holding == 24
        hold.release()
        await assert_whole(readers)
        assert await stage.server.ended() == 0, stage.server.output
        assert not any(alive(pid) for pid in workers)
        await stage.server.start()
        assert (await stage.get(100)).body == BODY
        assert stage.imaginary.made == 24


async def test_stop_during_a_restart_waits_for_the_worker_that_drains(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2) as stage:
        crew = Crew(stage.server)
        holds = {str(100 + number): Hold() for number in range(16)}
        stage.imaginary.answer(lambda asked: Answer(BODY, hold=holds[asked.query["width"]]))
        readers = {width: await stage.begin(int(width)) for width in holds}
        for reader in readers.values():
            await reader.read(HALF)
        assert len(crew.serving()) == 2
        behind, before, drains = crew.behind(), crew.pids, first_ready(stage, place=0)
        stage.server.process.send_signal(signal.SIGHUP)
        await stage.server.workers_ready(3)
        late = {width for width, reader in readers.items() if behind[reader.port] == drains}
        for width in holds.keys() - late:  # only the worker that drains already has work left
            holds[width].release()
            assert (await readers[width].rest()).whole
        stage.server.process.send_signal(signal.SIGTERM)
        await refused(stage)
        await asyncio.sleep(2)  # longer than the parent gives its own tasks
        assert stage.server.process.poll() is None
        for width in late:
            holds[width].release()
            response = await readers[width].rest()
            assert response.whole
            assert response.body == BODY
        assert await stage.server.ended() == 0, stage.server.output
        assert not any(alive(pid) for pid in before)


def first_ready(stage: Stack, place: int) -> int:
    """The process that was the first to work in this place."""
    lines = [line for line in stage.server.output.splitlines() if WORKER_READY in line]
    records = [orjson.loads(line) for line in lines]
    return int(next(record["worker"] for record in records if record["place"] == place))


async def test_workers_whose_parent_is_killed_finish_what_runs_and_end(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2) as stage:
        crew, hold = Crew(stage.server), Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        readers = await halfway(stage, 8)
        workers = crew.pids
        os.kill(stage.server.process.pid, signal.SIGKILL)
        await refused(stage)
        spent = sum(map(cpu, workers))
        await asyncio.sleep(1)
        assert sum(map(cpu, workers)) - spent < 0.5  # who waits for its readers does not spin
        hold.release()
        await assert_whole(readers)
        await eventually(lambda: not any(alive(pid) for pid in workers))
        await stage.server.ended()


async def refused(stage: Stack) -> None:
    """Return once the server takes no new connection."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)
