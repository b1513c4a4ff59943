"""Failures: shared, never kept, never a normal end, and over when they are over (I6 to I9, I13 to
I15, I30)."""

import asyncio
import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from tests.e2e.harness import (
    Answer,
    Hold,
    Request,
    Response,
    Stack,
    eventually,
    failure,
    png_of,
    stack,
)
from tests.e2e.shelf import WAIT

BODY = png_of(400_000, seed=2)
REMEMBERED = 2.4  # seconds; the longest that a processor's failure is remembered, jitter included
BRIEFLY = 0.1  # factor on that
CUTS = [
    pytest.param(Answer(BODY, end="fin"), id="length-fin"),
    pytest.param(Answer(BODY, end="rst"), id="length-rst"),
    pytest.param(Answer(BODY, framing="chunked", end="fin"), id="chunked-fin"),
    pytest.param(Answer(BODY, framing="chunked", end="rst"), id="chunked-rst"),
    pytest.param(
        Answer(BODY, framing="chunked", end="fin", half=len(BODY)), id="chunked-no-last-chunk"
    ),
    pytest.param(Answer(BODY, end="fin", half=len(BODY) - 1), id="length-one-byte-short"),
]


def assert_is_problem(response: Response) -> None:
    """An error that a client can read, and that ended properly."""
    assert response.status >= 400
    assert response.whole
    assert json.loads(response.body)
    assert "json" in response.headers["content-type"]


async def assert_nothing_kept(stage: Stack) -> None:
    """Neither this process nor the next one has anything of the picture.

    The failure itself is remembered, also by the next process: only for a moment here.
    """
    await stage.server.restart()
    stage.imaginary.answer(Answer(BODY))
    made = stage.imaginary.made
    async with asyncio.timeout(5):
        while (response := await stage.get()).status != 200:
            assert_is_problem(response)
            await asyncio.sleep(0.05)
    assert response.whole
    assert response.body == BODY
    assert stage.imaginary.made == made + 1


@pytest.mark.parametrize("cut", CUTS)
async def test_i06_upstream_cut_nobody_sees_a_normal_end_and_nothing_is_kept(
    tmp_path: Path, cut: Answer
) -> None:
    async with stack(tmp_path, remember_failures=BRIEFLY) as stage:
        stage.imaginary.answer(cut)
        responses = await stage.many(5)
        for response in responses:
            if response.status == 200:
                assert not response.whole
                assert response.body == BODY[: len(response.body)]
            else:
                assert_is_problem(response)
        assert stage.imaginary.made == 1
        await assert_nothing_kept(stage)


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_i06_upstream_cut_while_everybody_reads_cuts_everybody(
    tmp_path: Path, end: str
) -> None:
    async with stack(tmp_path, remember_failures=BRIEFLY) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold, end=end))  # type: ignore[arg-type] # a text
        readers = [await stage.begin() for _ in range(5)]
        for reader in readers:
            assert await reader.read(len(BODY) // 2) == BODY[: len(BODY) // 2]
        hold.release()
        for reader in readers:
            response = await reader.rest()
            assert response.status == 200
            assert response.ending in ("short", "reset")
        assert stage.imaginary.made == 1
        await assert_nothing_kept(stage)


async def test_i06_close_delimited_body_is_refused_before_a_byte(tmp_path: Path) -> None:
    async with stack(tmp_path, remember_failures=BRIEFLY) as stage:
        stage.imaginary.answer(Answer(BODY, framing="close"))
        for response in await stage.many(5):
            assert response.status == 502
            assert_is_problem(response)
        await assert_nothing_kept(stage)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (failure(400, "Error while processing the image: bad seek"), 400),
        (failure(404, "Not found"), 501),
        (failure(406, "Unsupported media type"), 406),
        (failure(422, "Image resolution is too big"), 422),
        (Answer(b"limit exceeded\n", 429, "text/plain"), 503),
        (failure(500, "oops"), 502),
        (failure(503, "busy"), 503),
        (Answer(end="silent"), 503),
        (Answer(b""), 502),
        (Answer(b"<html>", media_type="text/html"), 502),
        (Answer(BODY, headers=(("Error", '{"message":"x","status":400}'),)), 400),
    ],
)
async def test_i07_upstream_error_before_bytes_every_waiter_gets_the_same(
    tmp_path: Path, answer: Answer, status: int
) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        answer.before = hold
        stage.imaginary.answer(answer)
        asking = asyncio.gather(*(stage.get() for _ in range(10)))
        await hold.reached()
        hold.release()
        responses = await asking
        assert {response.status for response in responses} == {status}
        for response in responses:
            assert_is_problem(response)
        assert stage.imaginary.made <= 2


async def fail_then_work(stage: Stack, keys: range, chance: random.Random) -> None:
    """Each key fails once, with readers that come and go, and works when it is asked for again."""
    attempts: defaultdict[str, int] = defaultdict(int)
    body = png_of(20_000, seed=3)
    failures = [
        Answer(body, end="fin"),
        Answer(body, end="rst"),
        Answer(body, framing="chunked", end="fin"),
        Answer(body, framing="close"),
        Answer(b""),
        failure(500, "oops"),
        failure(503, "busy"),
    ]

    def answer(request: Request) -> Answer:
        width = request.query["width"]
        attempts[width] += 1
        return chance.choice(failures) if attempts[width] == 1 else Answer(body)

    stage.imaginary.answer(answer)
    gate = asyncio.Semaphore(40)

    async def bad(key: int) -> None:
        async with gate:
            leaving = await stage.begin(key) if chance.random() < 0.3 else None
            response = await stage.get(key)
            assert not (response.status == 200 and response.whole)
            if leaving is not None:
                leaving.leave(abruptly=chance.random() < 0.5)

    async def good(key: int) -> None:
        async with gate:
            response = await stage.get(key)
            assert response.status == 200, response.body
            assert response.body == body
            assert response.whole

    await asyncio.gather(*(bad(key) for key in keys))
    await asyncio.sleep(REMEMBERED)
    await asyncio.gather(*(good(key) for key in keys))
    assert set(attempts.values()) == {2}


async def test_i08_key_works_again_after_any_failure(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        await fail_then_work(stage, range(1, 141), random.Random(8))


@pytest.mark.slow
async def test_i08_ten_thousand_failures_and_successes_leave_nothing_behind(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path) as stage:
        chance = random.Random(9)
        stage.imaginary.answer(Answer(BODY))
        await stage.get(width=9_999)
        idle = stage.server.descriptors()
        await fail_then_work(stage, range(1, 501), chance)
        memory = stage.server.rss()
        for start in range(1_001, 5_501, 500):
            await fail_then_work(stage, range(start, start + 500), chance)
        await eventually(lambda: stage.server.connections() == 0)
        # Kept connections to the origin and to Imaginary end by themselves when nobody uses them.
        await eventually(lambda: stage.server.descriptors() <= idle, within=60)
        # The memory tier may have filled up: 5,000 pictures of 20 kB.
        assert stage.server.rss() - memory < 160 * 1024 * 1024


async def test_i09_bounds_are_free_again_after_every_kind_of_ending(tmp_path: Path) -> None:
    bounds = {
        "processes": 2,
        "queue_limit": 3,
        "stream_limit": "2MiB",
        "max_variant_bytes": "1MiB",
    }
    large = png_of(900_000, seed=5)
    async with stack(tmp_path, **bounds) as stage:
        stage.imaginary.answer(Answer(large))
        await stage.get(width=9_999)
        before = stage.server.descriptors()
        endings = [
            Answer(large),
            Answer(large, end="fin"),
            Answer(large, end="rst"),
            Answer(large, framing="chunked"),
            Answer(large, framing="chunked", end="fin"),
            Answer(png_of(1_200_000), framing="chunked"),
            failure(500, "oops"),
        ]
        for turn in range(28):
            stage.imaginary.answer(endings[turn % len(endings)])
            leaving = await stage.begin(width=turn + 1)
            await stage.get(width=turn + 1)
            leaving.leave(abruptly=True)
        await eventually(lambda: stage.server.connections() == 0)
        await eventually(lambda: stage.server.descriptors() <= before + 2)
        hold = Hold()
        stage.imaginary.answer(Answer(large, hold=hold))
        asking = asyncio.gather(stage.get(width=5_001), stage.get(width=5_002))
        await eventually(lambda: hold.holding == 2)
        hold.release()
        assert all(response.whole and response.status == 200 for response in await asking)


async def test_i13_ten_clients_failing_upstream_are_answered_together(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        stage.imaginary.answer(failure(503, "busy", delay=1.0))
        responses = await stage.many(10)
        assert {response.status for response in responses} == {503}
        assert all(int(response.headers["retry-after"]) >= 1 for response in responses)
        assert max(response.took for response in responses) < 1.6 + WAIT
        assert stage.imaginary.made <= 2


async def test_i14_remembered_failure_asks_nobody_and_afterwards_exactly_once(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path) as stage:
        stage.imaginary.answer(failure(503, "busy"))
        assert (await stage.get()).status == 503
        made = stage.imaginary.made
        for _ in range(5):
            assert {response.status for response in await stage.many(4)} == {503}
        assert stage.imaginary.made == made
        stage.imaginary.answer(Answer(BODY))
        await asyncio.sleep(REMEMBERED)
        assert all(response.body == BODY for response in await stage.many(10))
        assert stage.imaginary.made == made + 1


async def test_i15_upstream_stall_ends_all_clients_together_and_nothing_is_kept(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path, process_timeout=2, remember_failures=BRIEFLY) as stage:
        stage.imaginary.answer(Answer(BODY, end="stall"))
        responses = await stage.many(10)
        assert not any(response.whole for response in responses)
        assert max(response.took for response in responses) < 3.5 + WAIT
        ends = [response.last for response in responses]
        assert max(ends) - min(ends) < 0.5
        assert stage.imaginary.made == 1
        await assert_nothing_kept(stage)


@pytest.mark.parametrize("cut", CUTS)
async def test_i30_after_the_first_byte_nothing_but_the_body_is_written(
    tmp_path: Path, cut: Answer
) -> None:
    async with stack(tmp_path) as stage:
        hold = Hold()
        cut.hold = hold
        stage.imaginary.answer(cut)
        request = f"GET {stage.target()} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
        health = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
        receiving = asyncio.gather(stage.client.raw(request + health))
        await hold.reached()
        await asyncio.sleep(0.2)  # what was sent has been passed on
        hold.release()
        (received,) = await receiving
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.count(b"HTTP/1.1 ") == 1
        assert not received.endswith(b"0\r\n\r\n")
