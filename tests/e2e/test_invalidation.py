"""Guarantees 5 and 6 over real processes: gone means gone, and nothing finds a way back in."""

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.crew import Crew
from tests.e2e.harness import Answer, Hold, Response, Stack, digest, eventually, png_of, stack
from tests.e2e.purging import SETTINGS, invalidate, look

OLD, NEW = png_of(5_000, 1), png_of(5_000, 2)


def cache(answer: Response) -> str:
    return answer.headers["cache-status"]


def fetched(stage: Stack) -> int:
    return sum(request.path == "/photo.png" for request in stage.origin.requests)


async def kept(stage: Stack, target: str) -> None:
    async with asyncio.timeout(10):
        while "hit" not in cache(await stage.client.get(target)):
            await asyncio.sleep(0.02)


async def ask_all(stage: Stack, count: int = 24) -> list[Response]:
    """Enough new connections that every one of four workers is asked."""
    return await stage.client.get_many(stage.target(), count)


async def test_picture_is_gone_from_every_worker(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=4, **SETTINGS) as stage:
        stage.imaginary.answer(Answer(OLD))
        for _ in range(3):
            assert {answer.body for answer in await ask_all(stage)} == {OLD}
        stage.imaginary.answer(Answer(NEW))
        told = await invalidate(stage.client, stage.origin.url + "/photo.png")
        assert (told.status, told.body["removed"]) == (200, 1)
        assert {answer.body for answer in await ask_all(stage)} == {NEW}
        again = await invalidate(stage.client, stage.origin.url + "/other.png")
        assert (again.status, again.body["removed"]) == (200, 0)
        assert {answer.body for answer in await ask_all(stage)} == {NEW}
        assert stage.imaginary.made == 2


async def test_job_that_began_before_is_not_served_after(tmp_path: Path) -> None:
    """Its readers without a byte move on; its bytes are not kept."""
    async with stack(tmp_path, **SETTINGS) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(OLD, before=hold), Answer(NEW))
        waiting = asyncio.gather(stage.get())
        await hold.reached()
        told = await invalidate(stage.client, stage.origin.url + "/photo.png")
        assert told.status == 200
        (moved,) = await waiting
        assert moved.body == NEW
        hold.release()
        for _ in range(3):
            assert (await stage.get()).body == NEW
        assert fetched(stage) == 2


async def test_reader_that_has_begun_gets_the_whole_of_what_it_began(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(OLD, hold=hold), Answer(NEW))
        reading = await stage.begin()
        assert await reading.head() == 200
        assert (await invalidate(stage.client, stage.origin.url + "/photo.png")).status == 200
        assert (await stage.get()).body == NEW
        hold.release()
        assert (await reading.rest()).body == OLD
        await asyncio.sleep(0.2)
        assert (await stage.get()).body == NEW


async def test_download_that_began_before_is_not_shared_after(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        hold = Hold()
        stage.origin.script("/photo.png", Answer(OLD, before=hold), Answer(NEW))
        first = asyncio.gather(stage.get(100))
        await hold.reached()
        assert (await invalidate(stage.client, stage.origin.url + "/photo.png")).status == 200
        await stage.get(200)
        hold.release()
        await first
        posted = {each.digest for each in stage.imaginary.requests if each.method == "POST"}
        assert posted == {digest(NEW)}


async def test_stopped_worker_is_named_and_never_serves_the_old_picture(tmp_path: Path) -> None:
    # The timeout outlasts the second in which a process may answer without a look at the log.
    async with stack(tmp_path, workers=4, purge_timeout=1.5, **SETTINGS) as stage:
        stage.imaginary.answer(Answer(OLD))
        for _ in range(3):
            await ask_all(stage)
        stopped = min(Crew(stage.server).pids)
        os.kill(stopped, signal.SIGSTOP)
        try:
            stage.imaginary.answer(Answer(NEW))
            told = None
            while told is None:  # a connection that the stopped one got is never answered
                purging = invalidate(stage.client, stage.origin.url + "/photo.png")
                try:
                    told = await asyncio.wait_for(purging, 5)
                except TimeoutError:
                    continue
            assert told.status == 202, told
            assert [name.rpartition("/")[2] for name in told.body["unconfirmed"]] == [str(stopped)]
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert {answer.body for answer in await ask_all(stage)} == {NEW}
        number = told.body["number"]

        async def confirmed() -> bool:
            told = await look(stage.client, f"/invalidations/{number}")
            return bool(told.body["status"] == "done")

        async with asyncio.timeout(30):
            while not await confirmed():
                await asyncio.sleep(0.05)


async def test_killed_worker_is_not_waited_for(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, **SETTINGS) as stage:
        await stage.get()
        crew = Crew(stage.server)
        victim = min(crew.pids)
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: victim not in crew.pids)
        told = await invalidate(stage.client, stage.origin.url + "/photo.png")
        assert (told.status, told.body["unconfirmed"]) == (200, [])


async def test_missing_file_that_was_added_is_found_after_its_invalidation(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, **SETTINGS) as stage:
        stage.origin.script("/photo.png", Answer(b"", status=404))
        assert {answer.status for answer in await ask_all(stage, 8)} == {404}
        stage.origin.script("/photo.png", Answer(NEW))
        assert {answer.status for answer in await ask_all(stage, 8)} == {404}, "remembered"
        assert (await invalidate(stage.client, stage.origin.url + "/photo.png")).status == 200
        assert {answer.status for answer in await ask_all(stage, 8)} == {200}


async def test_commit_moves_and_makes_its_version_immutable(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, **SETTINGS) as stage:
        before = await look(stage.client, "/latestInvalidation?projectName=shop")
        assert (before.status, before.body["status"]) == (404, 404)
        versioned = f"{stage.target()}&v=c0ffee"
        assert (await stage.client.get(versioned)).headers["cache-control"] == "public, max-age=60"
        told = await invalidate(stage.client, projectName="shop", latestCommitHash="c0ffee")
        assert told.status == 200
        for _ in range(8):
            answer = await stage.client.get(versioned)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        after = await look(stage.client, "/lastInvalidation?projectName=shop")
        assert (after.status, after.body["commitHash"]) == (200, "c0ffee")


@pytest.mark.parametrize(
    ("page", "git"),
    [
        ("/%C3%84.png", "/A%CC%88.png"),
        ("/a+b.png", "/a%2Bb.png"),
        ("/a%20b.png?v=2&x=/y", "/a%20b.png"),
        ("/x/./y/../a.png", "/x/a.png"),
    ],
)
async def test_what_git_calls_a_file_meets_what_a_page_calls_it(
    tmp_path: Path, page: str, git: str
) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        source = quote(stage.origin.url + page, safe="")
        target = f"/imaginary/resize?width=10&url={source}"
        assert (await stage.client.get(target)).status == 200
        await kept(stage, target)
        url = stage.origin.url.replace("http:", "https:") + git
        told = await invalidate(stage.client, url)
        assert (told.status, told.body["perUrl"]) == (200, {url: 1})
        assert "fwd=miss" in cache(await stage.client.get(target))


async def test_folder_host_and_everything_hit_what_lies_below(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        targets = [stage.target(path=path) for path in ("/a/b/1.png", "/a/2.png", "/ab/3.png")]
        for members, hit in (
            ({"folders": [stage.origin.url + "/a"]}, [True, True, False]),
            ({"folders": [stage.origin.url + "/a/b/"]}, [True, False, False]),
            ({"hosts": ["127.0.0.1"]}, [True, True, True]),
            ({"all": True}, [True, True, True]),
        ):
            for target in targets:
                await kept(stage, target)
            dry = await invalidate(stage.client, dryRun=True, **members)
            told = await invalidate(stage.client, **members)
            assert dry.body["removed"] == told.body["removed"] == sum(hit)
            answers = [cache(await stage.client.get(target)) for target in targets]
            assert ["fwd=miss" in answer for answer in answers] == hit


async def test_overlay_that_changed_takes_its_pictures_along(tmp_path: Path) -> None:
    async with stack(tmp_path, imaginary_service_url="", processes=1, **SETTINGS) as stage:
        logo = quote(stage.origin.url + "/logo.png", safe="")
        target = stage.target(operation="watermarkimage") + f"&image={logo}"
        assert (await stage.client.get(target)).status == 200
        await kept(stage, target)
        told = await invalidate(stage.client, stage.origin.url + "/logo.png")
        assert told.body["removed"] == 1
        assert "fwd=miss" in cache(await stage.client.get(target))
