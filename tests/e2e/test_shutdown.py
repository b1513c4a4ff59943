"""A stop lets what runs come to its end, and cuts what does not (I29)."""

import asyncio
import signal
from pathlib import Path

from tests.e2e.harness import Answer, Hold, Stack, eventually, png_of, stack

BODY = png_of(400_000, seed=1)
HALF = len(BODY) // 2


async def refuses(stage: Stack) -> None:
    """Return once the server takes no new connection."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            except ConnectionError:  # refused, or reset when it came at that very moment
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_i29_stop_finishes_running_responses_and_keeps_their_pictures(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        readers = [await stage.begin() for _ in range(3)]
        for reader in readers:
            await reader.read(HALF)
        stage.server.process.send_signal(signal.SIGTERM)
        await refuses(stage)
        assert hold.holding == 1
        hold.release()
        for reader in readers:
            response = await reader.rest()
            assert response.whole
            assert response.body == BODY
        assert await stage.server.ended() == 0, stage.server.output
        await stage.server.start()
        assert (await stage.get()).body == BODY
        assert stage.imaginary.made == 1


async def test_i29_end_of_its_terminal_drains_a_server_of_one_process(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        reader = await stage.begin()
        await reader.read(HALF)
        stage.server.process.send_signal(signal.SIGHUP)
        await refuses(stage)
        assert '"draining"' in stage.server.output
        hold.release()
        response = await reader.rest()
        assert (response.whole, response.body) == (True, BODY)
        assert await stage.server.ended() == 0, stage.server.output


async def test_i29_stop_while_nothing_was_sent_yet_still_answers(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, before=hold))
        reader = await stage.begin()
        await hold.reached()
        stage.server.process.send_signal(signal.SIGTERM)
        await refuses(stage)
        hold.release()
        response = await reader.rest()
        assert response.whole
        assert response.body == BODY
        assert await stage.server.ended() == 0, stage.server.output


async def test_i29_job_over_the_drain_time_is_cut_and_nothing_of_it_is_kept(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path, drain_timeout=1) as stage:
        stage.imaginary.answer(Answer(BODY, hold=Hold()))
        reader = await stage.begin()
        await reader.read(HALF)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        stage.server.process.send_signal(signal.SIGTERM)
        assert not (await reader.rest()).whole
        assert await stage.server.ended() == 0, stage.server.output
        assert 0.8 < loop.time() - asked < 6.0
        stage.imaginary.answer(Answer(BODY))
        await stage.server.start()
        assert (await stage.get()).body == BODY
        assert stage.imaginary.made == 2


async def test_i29_idle_keep_alive_connections_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        stage.imaginary.answer(Answer(BODY))
        idle = await stage.begin()
        await idle.read(len(BODY))
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await stage.server.stop()
        assert loop.time() - asked < 3.0
        idle.leave()
        await eventually(lambda: stage.server.connections() == 0)
