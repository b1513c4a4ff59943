import asyncio
import os
import signal

import pytest
import uvloop

from imcaxy.errors import (
    Draining,
    ImcaxyError,
    Overloaded,
    ProcessorCrashed,
    ProcessorFailed,
    ProcessorTimeout,
    ProcessorUnavailable,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.processors.vips.children import Program
from imcaxy.processors.vips.pool import Pool
from tests.fakes.wire import until
from tests.unit.processors.vips.making import MIB
from tests.unit.processors.vips.pools import MOST, children, gone, pool_of, running


async def ask(pool: Pool, body: bytes = b"picture") -> bytes:
    answer = await pool.run({"question": 1}, [body], MOST)
    return b"".join(answer.pieces)


async def test_run_one_request_gives_whole_answer() -> None:
    async with pool_of("honest") as pool:
        answer = await pool.run({}, [b"picture"], MOST)
        assert answer.media_type == "image/jpeg"
        assert answer.length == len(b"".join(answer.pieces))


async def test_run_many_requests_share_the_children_that_may_exist() -> None:
    async with pool_of("honest", processes=2) as pool:
        await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert len(pool.children) <= 2
        assert sum(child.jobs for child in pool.children) == 20


async def test_run_one_after_another_uses_one_child() -> None:
    async with pool_of("honest", processes=4) as pool:
        for _ in range(5):
            await ask(pool)
        assert [child.jobs for child in pool.children] == [5]


async def test_run_after_retirement_uses_another_child() -> None:
    async with pool_of("honest", retire_after=2) as pool:
        await ask(pool)
        (first,) = await children(pool, 1)
        await ask(pool)
        await ask(pool)
        assert first not in await children(pool, 1)
        assert not running(first)


async def test_prepare_starts_one_child_in_the_background() -> None:
    async with pool_of("honest", processes=4) as pool:
        pool.prepare()
        assert pool.children == ()
        assert len(await children(pool, 1)) == 1


MANNERS: dict[str, type[ImcaxyError]] = {
    "mute": ProcessorUnavailable,
    "stillborn": ProcessorUnavailable,
    "babbling": ProcessorUnavailable,
    "crashing": ProcessorCrashed,
    "torn": ProcessorCrashed,
    "garbage": ProcessorFailed,
    "boasting": ProcessorFailed,
    "off by one": ProcessorFailed,
    "empty": ProcessorFailed,
    "typeless": ProcessorFailed,
    "negative": ProcessorFailed,
    "listing": ProcessorFailed,
    "blaming the catalog": ProcessorFailed,
    "blaming nobody": ProcessorFailed,
    "hanging": ProcessorTimeout,
    "dripping": ProcessorTimeout,
    "deaf": ProcessorTimeout,
    "complaining": Undecodable,
}


async def misbehaviour(manner: str) -> None:
    timeout = 0.5 if MANNERS[manner] is ProcessorTimeout else 10.0
    async with pool_of(manner, timeout=timeout) as pool:
        for _ in range(2):
            with pytest.raises(ImcaxyError) as caught:
                await ask(pool, bytes(3_000_000))
            assert type(caught.value) is MANNERS[manner]
            assert len(caught.value.detail) <= 500


@pytest.mark.parametrize("manner", MANNERS)
async def test_run_child_misbehaves_raises_its_error_and_leaves_none_of_it(manner: str) -> None:
    await misbehaviour(manner)


@pytest.mark.parametrize("manner", ["stillborn", "crashing", "torn", "garbage", "deaf"])
def test_run_child_misbehaves_under_uvloop_raises_the_same(manner: str) -> None:
    uvloop.run(misbehaviour(manner))


async def test_run_program_missing_is_unavailable() -> None:
    pool = Pool(Program(MIB, command=("/nonexistent/program",)), processes=1, timeout=1)
    with pytest.raises(ProcessorUnavailable):
        await ask(pool)
    await pool.close()


async def test_run_child_reports_a_fault_of_the_picture_it_stays() -> None:
    async with pool_of("complaining") as pool:
        with pytest.raises(Undecodable):
            await ask(pool)
        before = await children(pool, 1)
        with pytest.raises(Undecodable):
            await ask(pool)
        assert await children(pool, 1) == before


async def test_run_child_ran_out_of_memory_is_replaced() -> None:
    async with pool_of("spent") as pool:
        pool.prepare()
        (first,) = await children(pool, 1)
        with pytest.raises(VariantTooLarge):
            await ask(pool)
        await gone(first)
        (second,) = await children(pool, 1)
        assert second != first


async def test_run_deadline_passes_kills_the_child() -> None:
    async with pool_of("hanging", timeout=0.3) as pool:
        task = asyncio.gather(ask(pool), return_exceptions=True)
        (pid,) = await children(pool, 1)
        (result,) = await task
        assert isinstance(result, ProcessorTimeout)
        await gone(pid)


async def test_run_cancelled_kills_the_child_and_frees_its_place() -> None:
    async with pool_of("hanging", timeout=30) as pool:
        for _ in range(2):
            task = asyncio.gather(ask(pool))
            await until(lambda: any(child.jobs for child in pool.children))
            (pid,) = (child.pid for child in pool.children)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone(pid)


async def test_run_child_dies_while_idle_next_request_does_not_notice() -> None:
    async with pool_of("honest") as pool:
        await ask(pool)
        (pid,) = await children(pool, 1)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not any(child.alive for child in pool.children))
        await ask(pool)
        assert pid not in await children(pool, 1)


async def test_run_no_child_becomes_free_is_overloaded() -> None:
    async with pool_of("hanging", timeout=30, queue_timeout=0.1) as pool:
        first = asyncio.gather(ask(pool), return_exceptions=True)
        await children(pool, 1)
        with pytest.raises(Overloaded) as caught:
            await ask(pool)
        assert caught.value.retry_after == 1
        first.cancel()


async def test_close_while_a_request_runs_fails_it() -> None:
    async with pool_of("hanging", timeout=30) as pool:
        first = asyncio.gather(ask(pool), return_exceptions=True)
        waiting = asyncio.gather(ask(pool), return_exceptions=True)
        await until(lambda: any(child.jobs for child in pool.children))
    (result,) = await first
    assert isinstance(result, ProcessorCrashed)
    (result,) = await waiting
    assert isinstance(result, Draining)


async def test_close_ends_every_child_and_refuses_more() -> None:
    async with pool_of("honest", processes=3) as pool:
        await asyncio.gather(*(ask(pool) for _ in range(9)))
        pids = [child.pid for child in pool.children]
    assert not any(running(pid) for pid in pids)
    with pytest.raises(Draining):
        await ask(pool)


async def test_close_again_returns_at_once() -> None:
    async with pool_of("honest") as pool:
        await ask(pool)
        await pool.close()
        async with asyncio.timeout(3):  # waiting for places that are taken would last 6 s
            await pool.close()


async def test_run_after_a_crash_another_child_is_made_ready() -> None:
    async with pool_of("crashing") as pool:
        with pytest.raises(ProcessorCrashed):
            await ask(pool)
        assert len(await children(pool, 1)) == 1


def test_environment_inherits_nothing_but_where_libraries_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMCAXY_INVALIDATE_SECURITY_TOKEN", "secret")
    monkeypatch.setenv("LD_PRELOAD", "")
    environment = Program(512 * MIB).environment()
    assert "secret" not in environment.values()
    assert environment["VIPS_CONCURRENCY"] == "1"
    assert environment["VIPS_BLOCK_UNTRUSTED"] == "1"
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert "LD_PRELOAD" in environment
    assert "HOME" not in environment
    assert "PATH" not in environment
