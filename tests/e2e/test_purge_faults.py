"""Faults that earlier programs of this kind had (docs/faults.md), provoked over real processes."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import command
from tests.e2e.harness import Answer, Hold, Stack, png_of, stack
from tests.e2e.purging import FIELDS, SETTINGS, invalidate, look
from tests.e2e.test_invalidation import cache, kept

OLD, NEW = png_of(5_000, 1), png_of(5_000, 2)


@contextlib.contextmanager
def locked(stage: Stack) -> Iterator[None]:
    """Nobody can write to the catalog."""
    path = stage.server.directory / "data" / "catalog.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_one_bad_url_among_many_is_named_and_no_good_one_is_lost(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        paths = ("/1.png", "/2.png", "/3.png")
        urls = [stage.origin.url + path for path in paths]
        targets = [stage.target(path=path) for path in paths]
        for target in targets:
            await kept(stage, target)
        call = {"projectName": "shop", "latestCommitHash": "c0ffee"}
        told = await invalidate(stage.client, urls[0], "ftp://host/x.png", *urls[1:], **call)
        assert (told.status, "ftp://host/x.png" in told.body["value"]) == (400, True)
        assert ["hit" in cache(await stage.client.get(target)) for target in targets] == [True] * 3
        assert (await look(stage.client, "/latestInvalidation?projectName=shop")).status == 404

        nothing = stage.origin.url + "/never-asked-for.png"
        told = await invalidate(stage.client, urls[0], nothing, *urls[1:], **call)
        assert told.status == 200
        assert told.body["perUrl"] == {nothing: 0, **dict.fromkeys(urls, 1)}
        assert ["hit" in cache(await stage.client.get(target)) for target in targets] == [False] * 3


async def test_name_that_is_no_utf8_is_purged_by_query_too(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        target = stage.target(path="/a%FF.png")
        await kept(stage, target)
        url = f"{stage.origin.url}/a%FF.png"
        getting = await stage.client.begin(
            f"/invalidate?urls={url}", method="DELETE", headers=FIELDS
        )
        answer = await getting.rest()
        assert (answer.status, json.loads(answer.body)["perUrl"]) == (200, {url: 1})
        assert "fwd=miss" in cache(await stage.client.get(target))


async def test_purge_that_failed_leaves_the_commit_and_every_picture(tmp_path: Path) -> None:
    async with stack(tmp_path, store_timeout=0.5, **SETTINGS) as stage:
        source = stage.origin.url + "/photo.png"
        first = {"projectName": "shop", "latestCommitHash": "one"}
        second = {"projectName": "shop", "latestCommitHash": "two", "request": "mine"}
        assert (await invalidate(stage.client, source, **first)).status == 200
        await kept(stage, stage.target())
        with locked(stage):
            told = await invalidate(stage.client, source, **second)
            assert (told.status, told.body["value"]) == (503, "mine")
        latest = await look(stage.client, "/latestInvalidation?projectName=shop")
        assert latest.body["commitHash"] == "one"
        assert "hit" in cache(await stage.get())

        told = await invalidate(stage.client, source, **second)
        assert (told.status, told.body["removed"]) == (200, 1)
        latest = await look(stage.client, "/latestInvalidation?projectName=shop")
        assert latest.body["commitHash"] == "two"


async def test_purge_by_another_process_reaches_a_job_that_runs_in_this_one(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(OLD, hold=hold), Answer(NEW))
        reading = await stage.begin()
        assert await reading.head() == 200
        status, _, errors = await command(stage.server, "purge", stage.origin.url + "/photo.png")
        assert status == 0, errors
        assert (await stage.get()).body == NEW
        hold.release()
        assert (await reading.rest()).body == OLD
        await kept(stage, stage.target())
        assert {(await stage.get()).body for _ in range(5)} == {NEW}


@pytest.mark.parametrize("token", ["", ",", " , "])
async def test_empty_token_opens_nothing(tmp_path: Path, token: str) -> None:
    async with stack(tmp_path, invalidate_security_token=token) as stage:
        await kept(stage, stage.target())
        for given in ("", "Bearer ", "Bearer ,", ","):
            getting = await stage.client.begin(
                "/invalidate?all=true", method="DELETE", headers=(("Authorization", given),)
            )
            answer = await getting.rest()
            assert answer.status == 403
            assert b"IMCAXY_INVALIDATE_SECURITY_TOKEN" in answer.body
        assert "hit" in cache(await stage.get())


async def test_fallback_hands_out_nothing_but_a_picture_of_an_allowed_source(
    tmp_path: Path,
) -> None:
    """Also where the engine fetches by itself: the source is read for the fallback alone."""
    settings = {"fallback": "source", "imaginary_fetch": "imaginary", "remember_failures": 0}
    image = (("Accept", "image/*"),)
    async with stack(tmp_path, **settings) as stage:
        stage.imaginary.answer(Answer(b"", status=503))
        stage.origin.script("/page", Answer(b"<script>", media_type="image/png"))
        stage.origin.redirect("/away", "http://10.0.0.1/photo.png")
        for path in ("/page", "/away"):
            answer = await stage.client.get(stage.target(path=path), headers=image)
            assert (answer.status >= 500, b"<script>" in answer.body) == (True, False)
        shown = await stage.client.get(stage.target(), headers=image)
        assert (shown.status, cache(shown)) == (200, "Imcaxy; fwd=bypass; detail=fallback")


async def test_made_up_parameters_cost_no_second_picture(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        for number in range(30):
            answer = await stage.client.get(f"{stage.target()}&x={number}&y{number}=1")
            assert answer.status == 200
        assert stage.imaginary.made == 1
