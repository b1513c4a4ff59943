"""Pictures whose sources change without anybody telling."""

import asyncio
from pathlib import Path

from tests.e2e.harness import Answer, Request, Stack, png_of, stack
from tests.e2e.purging import SETTINGS, invalidate

OLD, NEW = png_of(5_000, 1), png_of(5_000, 2)
TAG = '"one"'


def conditional(body: bytes, tag: str) -> Answer:
    return Answer(body, headers=(("ETag", tag), ("Last-Modified", "Sat, 01 Aug 2026 10:00:00 GMT")))


async def until_body(stage: Stack, body: bytes, width: int = 100) -> None:
    async with asyncio.timeout(20):
        while (await stage.get(width)).body != body:
            await asyncio.sleep(0.05)


async def test_picture_past_its_longest_age_is_made_anew(tmp_path: Path) -> None:
    async with stack(tmp_path, max_entry_age=1.5, **SETTINGS) as stage:
        stage.imaginary.answer(Answer(OLD), Answer(NEW))
        assert (await stage.get()).body == OLD
        assert (await stage.get()).body == OLD
        await until_body(stage, NEW)
        assert stage.imaginary.made == 2


async def test_unchanged_source_renews_every_variant_without_making_any(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, revalidate_after=1, **SETTINGS) as stage:
        asked: list[Request] = []

        def answer(request: Request) -> Answer:
            asked.append(request)
            known = request.headers.get("if-none-match") == TAG
            return Answer(b"", status=304) if known else conditional(OLD, TAG)

        stage.origin.script("/photo.png", answer)
        for width in (1, 2, 3):
            await stage.get(width)
        fetched = len(asked)
        for _ in range(30):
            for width in (1, 2, 3):
                answered = await stage.get(width)
                assert answered.status == 200
            await asyncio.sleep(0.1)
        assert stage.imaginary.made == 3
        later = asked[fetched:]
        assert {each.headers["if-none-match"] for each in later} == {TAG}
        assert {each.headers["if-modified-since"] for each in later} != {None}
        assert 1 <= len(later) <= 5, "once in each span of a second, whichever worker"


async def test_changed_source_is_served_old_once_more_and_then_new(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, revalidate_after=1, **SETTINGS) as stage:
        stage.origin.script("/photo.png", conditional(OLD, TAG))
        stage.imaginary.answer(Answer(OLD), Answer(NEW))
        assert (await stage.get()).body == OLD
        stage.origin.script("/photo.png", conditional(NEW, '"two"'))
        await until_body(stage, NEW)
        # Other instances may not have read of the change yet. Who confirms a later record has.
        elsewhere = "https://elsewhere.example/photo.png"
        assert (await invalidate(stage.client, elsewhere)).status == 200
        assert {(await stage.get()).body for _ in range(20)} == {NEW}
        assert stage.imaginary.made == 2


async def test_source_that_answers_no_more_leaves_the_old_picture(tmp_path: Path) -> None:
    async with stack(tmp_path, revalidate_after=1, **SETTINGS) as stage:
        stage.origin.script("/photo.png", conditional(OLD, TAG))
        stage.imaginary.answer(Answer(OLD))
        assert (await stage.get()).body == OLD
        stage.origin.script("/photo.png", Answer(b"", status=500))
        for _ in range(25):
            assert (await stage.get()).body == OLD
            await asyncio.sleep(0.1)
        stage.origin.script("/photo.png", Answer(b"", status=404))
        async with asyncio.timeout(20):
            while (await stage.get()).status != 404:
                await asyncio.sleep(0.05)
