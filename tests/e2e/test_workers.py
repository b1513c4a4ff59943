"""Several worker processes, one catalog: one job for all, and another when its owner dies."""

import asyncio
import os
import signal
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
import pytest

from imcaxy.jobs.claims import LEASE
from tests.e2e.crew import Crew
from tests.e2e.harness import (
    Answer,
    Getting,
    Hold,
    Mass,
    Response,
    Stack,
    digest,
    eventually,
    png_of,
    stack,
)

BODY = png_of(300_000, seed=4)
JOB = 5.0  # seconds that a job takes at the very most on a machine that is busy otherwise


@asynccontextmanager
async def crew_of(directory: Path, count: int) -> AsyncIterator[tuple[Stack, Crew]]:
    """A server with `count` workers, all of them ready."""
    async with stack(directory, workers=count) as stage:
        yield stage, Crew(stage.server)


@pytest.mark.parametrize(
    "clients", [200, pytest.param(800, marks=pytest.mark.slow)], ids=["200", "4x200"]
)
async def test_clients_of_four_workers_at_once_cost_one_job_and_one_get(
    tmp_path: Path, clients: int
) -> None:
    async with crew_of(tmp_path, 4) as (stage, crew):
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, before=hold))
        mass = await Mass.connect(stage.server.port, clients)
        mass.ask(stage.target())
        await hold.reached()
        await eventually(lambda: crew.serving().total() == clients and not crew.unread())
        assert crew.serving().keys() == crew.pids
        assert len(crew.pids) == 4
        assert min(crew.serving().values()) > clients // 20
        assert len(crew.owners()) == 1
        hold.release()
        async with asyncio.timeout(LEASE + JOB):
            await mass.reach()
        assert mass.all(lambda reader: reader.status == 200)
        assert mass.all(lambda reader: reader.received == len(BODY))
        assert mass.all(lambda reader: reader.checksum == zlib.crc32(BODY))
        mass.close()
        assert stage.imaginary.made == 1
        assert stage.origin.counts["/photo.png"] == 1
        assert (await stage.get()).body == BODY
        await eventually(lambda: not crew.owners())
        assert stage.imaginary.made == 1


async def test_a_failure_is_shared_by_clients_of_all_workers(tmp_path: Path) -> None:
    async with crew_of(tmp_path, 4) as (stage, crew):
        hold = Hold()
        message = orjson.dumps({"message": "Error processing image", "status": 400})
        refused = Answer(message, status=400, media_type="application/json", before=hold)
        stage.imaginary.answer(refused)
        readers = [await stage.begin() for _ in range(60)]
        await hold.reached()
        await eventually(lambda: crew.serving().total() == 60 and not crew.unread())
        assert crew.serving().keys() == crew.pids
        hold.release()
        answers = await all_of(readers)
        assert {(each.status, each.whole) for each in answers} == {(answers[0].status, True)}
        assert 400 <= answers[0].status < 500
        assert {each.headers["content-type"] for each in answers} == {"application/problem+json"}
        assert stage.imaginary.made == 1
        assert stage.origin.counts["/photo.png"] == 1


@dataclass
class Killing:
    """Clients of four workers, one of which had to be killed while it made their picture."""

    victim: int
    at: float  # loop time
    on_victim: list[Response]
    on_others: list[Response]

    def assert_nobody_was_lied_to(self) -> None:
        """Whole and right, a clean error, or visibly cut; and whole on every other worker."""
        assert self.on_victim
        assert self.on_others
        for response in self.on_others:
            assert (response.status, response.ending) == (200, "whole")
            assert digest(response.body) == digest(BODY)
        for response in self.on_victim:
            assert response.ending in ("short", "no last chunk", "reset", "no answer")
            assert BODY.startswith(response.body)
            assert len(response.body) < len(BODY)
        # The owner's lock tells that it is dead; a beat was at most a second old, so that the
        # lease alone would have taken longer.
        assert max(each.last for each in self.on_others) - self.at < LEASE - 1.0


async def kill_the_owner(stage: Stack, crew: Crew, hold: Hold) -> Killing:
    """80 clients ask; who makes their picture stands at the hold and is killed."""
    readers = [await stage.begin() for _ in range(80)]
    await hold.reached()
    await eventually(lambda: crew.serving().total() == 80 and not crew.unread())
    assert len(crew.serving()) == 4
    (victim,) = crew.owners()
    behind = crew.behind()
    os.kill(victim, signal.SIGKILL)
    at = asyncio.get_running_loop().time()
    answers = await all_of(readers)
    sides: dict[bool, list[Response]] = {True: [], False: []}
    for reader, answer in zip(readers, answers, strict=True):
        sides[behind[reader.port] == victim].append(answer)
    return Killing(victim, at, sides[True], sides[False])


@pytest.mark.parametrize(
    ("stage_of_job", "framing"),
    [
        ("half", "chunked"),
        pytest.param("half", "length", marks=pytest.mark.slow),
        pytest.param("before a byte", "length", marks=pytest.mark.slow),
    ],
)
async def test_owner_that_is_killed_costs_a_second_job_and_nobody_a_wrong_picture(
    tmp_path: Path, framing: Literal["length", "chunked"], stage_of_job: str
) -> None:
    async with crew_of(tmp_path, 4) as (stage, crew):
        hold = Hold()
        before, middle = (None, hold) if stage_of_job == "half" else (hold, None)
        stage.imaginary.answer(
            Answer(BODY, framing=framing, before=before, hold=middle), Answer(BODY, framing=framing)
        )
        seen = await kill_the_owner(stage, crew, hold)
        seen.assert_nobody_was_lied_to()
        assert stage.imaginary.made == 2
        await stage.server.workers_ready(5)
        assert seen.victim not in crew.pids
        assert len(crew.pids) == 4
        again = await stage.many(20)
        assert {digest(each.body) for each in again} == {digest(BODY)}
        assert {each.headers["cache-status"].split(";")[1] for each in again} == {" hit"}
        assert stage.imaginary.made == 2


@pytest.mark.slow
async def test_owner_that_is_suspended_is_overtaken_after_the_lease_and_finishes_too(
    tmp_path: Path,
) -> None:
    async with crew_of(tmp_path, 4) as (stage, crew):
        hold = Hold()
        stage.imaginary.answer(Answer(BODY, hold=hold), Answer(BODY))
        readers = [await stage.begin() for _ in range(60)]
        await hold.reached()
        await eventually(lambda: crew.serving().total() == 60 and not crew.unread())
        (owner,) = crew.owners()
        behind = crew.behind()
        os.kill(owner, signal.SIGSTOP)
        try:
            others = [reader for reader in readers if behind[reader.port] != owner]
            answers = await all_of(others)
            assert {digest(each.body) for each in answers} == {digest(BODY)}
            assert min(each.took for each in answers) >= LEASE - 1.5  # the last beat was before
        finally:
            os.kill(owner, signal.SIGCONT)
        hold.release()
        late = await all_of([reader for reader in readers if behind[reader.port] == owner])
        assert late
        assert {digest(each.body) for each in late} == {digest(BODY)}
        assert all(each.whole for each in late)
        assert stage.imaginary.made == 2
        await eventually(lambda: not crew.owners())
        assert (await stage.get()).body == BODY
        assert stage.imaginary.made == 2


async def all_of(readers: list[Getting]) -> list[Response]:
    """Every response to its end."""
    async with asyncio.timeout(LEASE + JOB):
        return list(await asyncio.gather(*(reader.rest() for reader in readers)))
