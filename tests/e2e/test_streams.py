"""One job per variant, streamed to everybody while it is made (caching invariants I1 to I5)."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.e2e.harness import Answer, Getting, Hold, Stack, digest, eventually, png_of, stack

BODY = png_of(400_000, seed=1)
HALF = len(BODY) // 2
AT_ONCE = 0.25  # seconds; a byte that is there is not held back for longer


async def joiners(stage: Stack, count: int) -> list[Getting]:
    """Requests that have been sent and are answered up to the half of the body."""
    found = [await stage.begin() for _ in range(count)]
    await asyncio.gather(*(joiner.read(HALF) for joiner in found))
    return found


async def assert_kept(stage: Stack, body: bytes) -> None:
    """The picture outlives the process, and nobody is asked for it again."""
    made = stage.imaginary.made
    assert (await stage.get()).body == body
    await stage.server.restart()
    again = await stage.get()
    assert again.whole
    assert digest(again.body) == digest(body)
    assert stage.imaginary.made == made


async def test_i01_many_requests_for_one_variant_cause_one_job(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, before=hold))
        asking = asyncio.gather(*(stage.get() for _ in range(200)))
        await hold.reached()
        hold.release()
        responses = await asking
        assert all(response.whole for response in responses)
        assert {digest(response.body) for response in responses} == {digest(BODY)}
        assert stage.imaginary.made == 1
        assert stage.origin.counts["/photo.png"] == 1


async def test_i01_requests_one_after_another_cause_one_job(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        stage.imaginary.answer(Answer(BODY))
        for _ in range(20):
            assert (await stage.get()).body == BODY
        assert stage.imaginary.made == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_i02_joiner_at_half_time_has_its_first_byte_while_the_rest_is_held(
    tmp_path: Path, framing: str
) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold, framing=framing))  # type: ignore[arg-type] # a text
        leader = await stage.begin()
        assert await leader.read(HALF) == BODY[:HALF]
        joiner = await stage.begin()
        assert await joiner.read(HALF) == BODY[:HALF]
        assert hold.holding == 1
        assert stage.imaginary.requests[-1].sent == HALF
        assert joiner.first is not None
        assert joiner.first - joiner.asked < AT_ONCE
        hold.release()
        for reader in (leader, joiner):
            response = await reader.rest()
            assert response.whole
            assert response.body == BODY
        assert stage.imaginary.made == 1


@pytest.mark.parametrize("seed", range(4))
async def test_i03_whole_bodies_equal_the_upstreams_for_any_interleaving(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    framing = ("length", "chunked")[seed % 2]
    async with stack(tmp_path) as stage:
        dripping = Answer(BODY, framing=framing, piece=16_000, pace=0.01)  # type: ignore[arg-type] # a text
        stage.imaginary.answer(dripping)

        async def read_somehow(start: float, manner: int, upto: int) -> bytes | None:
            await asyncio.sleep(start)
            getting = await stage.begin()
            if manner == 0:
                await getting.read(upto)
                getting.leave(abruptly=upto % 2 == 0)
                return None
            pace = 0.002 if manner == 1 else 0.0
            response = await getting.rest(pace=pace, piece=chance.randrange(1_000, 60_000))
            assert response.whole
            return response.body

        plans = [
            (chance.uniform(0, 0.6), chance.randrange(3), chance.randrange(len(BODY)))
            for _ in range(60)
        ]
        bodies = await asyncio.gather(*(read_somehow(*plan) for plan in plans))
        assert {digest(body) for body in bodies if body is not None} == {digest(BODY)}
        assert stage.imaginary.made == 1


async def test_i04_leader_leaves_before_headers_joiners_are_unaffected(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, before=hold))
        leader = await stage.begin()
        await hold.reached()
        others = [await stage.begin() for _ in range(4)]
        leader.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == len(others))
        hold.release()
        responses = [await other.rest() for other in others]
        assert all(response.whole and response.body == BODY for response in responses)
        assert stage.imaginary.made == 1
        await assert_kept(stage, BODY)


async def test_i04_leader_leaves_mid_body_joiners_are_unaffected(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        leader = await stage.begin()
        await leader.read(HALF)
        others = await joiners(stage, 4)
        leader.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == len(others))
        assert hold.holding == 1
        hold.release()
        responses = [await other.rest() for other in others]
        assert all(response.whole and response.body == BODY for response in responses)
        assert stage.imaginary.made == 1
        await assert_kept(stage, BODY)


@pytest.mark.parametrize("moment", ["before headers", "mid-body"])
async def test_i04_leader_leaves_with_nobody_else_picture_is_kept(
    tmp_path: Path, moment: str
) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        early = moment == "before headers"
        stage.imaginary.answer(Answer(BODY, before=hold) if early else Answer(BODY, hold=hold))
        leader = await stage.begin()
        await hold.reached()
        leader.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == 0)
        hold.release()
        await eventually(lambda: stage.imaginary.requests[-1].sent == len(BODY))
        assert not stage.imaginary.requests[-1].left
        assert stage.imaginary.made == 1
        await assert_kept(stage, BODY)


async def test_i05_all_clients_leave_running_job_ends_and_leaves_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, processes=1) as stage:
        stage.imaginary.answer(Answer(BODY))
        await stage.get(width=1)
        before = stage.server.descriptors()
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold))
        for reader in await joiners(stage, 5):
            reader.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == 0)
        hold.release()
        await eventually(lambda: stage.server.descriptors() <= before)
        stage.imaginary.answer(Answer(BODY))
        assert (await stage.get(width=2)).whole  # the only place for a job is free again
        assert (await stage.get()).body == BODY
        assert stage.imaginary.made == 3


async def test_i05_queued_job_that_nobody_waits_for_is_dropped(tmp_path: Path) -> None:
    async with stack(tmp_path, processes=1) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, before=hold), Answer(BODY))
        first = await stage.begin(width=1)
        await hold.reached()
        second = await stage.begin(width=2)
        third = await stage.begin(width=3)
        await eventually(lambda: stage.origin.counts["/photo.png"] >= 1)
        second.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == 2)
        hold.release()
        assert (await first.rest()).whole
        assert (await third.rest()).whole
        widths = [request.query.get("width") for request in stage.imaginary.requests]
        assert "2" not in widths
        assert stage.imaginary.made == 2
