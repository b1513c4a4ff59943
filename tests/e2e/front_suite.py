"""What must hold through any caching proxy that stands before the server.

A test file names its proxy by `front`, and how it tells that a picture was cut by `CUT`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from tests.e2e.ageing import make_older
from tests.e2e.asking import Field, ask, logged
from tests.e2e.fronts import Front
from tests.e2e.harness import Answer, Hold, Server, Stack, eventually, png_of, stack
from tests.e2e.server import ROOT

CLOCK = Clock()
BODY = png_of(300_000)
TEN_DAYS = 10 * 86400  # seconds
SLACK = 2.0  # seconds: Date and Age are whole ones, here and there
AUTO = "/imaginary/resize?width=64&type=auto&file=coffee.jpg"
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OLD_SAFARI = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


async def exit_of_curl(port: int, target: str, file: Path) -> int:
    """The exit status of curl."""
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-s", "--max-time", "60", "-o", str(file), f"http://127.0.0.1:{port}{target}")
    )
    return await curl.wait()


class FrontSuite:
    front: type[Front]
    no_grace: tuple[str, ...] = ()  # arguments without which it serves stale copies unasked

    @asynccontextmanager
    async def before(
        self, directory: Path, *arguments: str, **settings: object
    ) -> AsyncIterator[tuple[Stack, Front]]:
        async with stack(directory, **{"remember_failures": 0, **settings}) as stage:
            stage.imaginary.answer(Answer(BODY))
            async with self.front(directory, stage.server.port, *arguments) as front:
                yield stage, front

    async def test_kept_picture_answers_every_kind_of_request_without_us(
        self, tmp_path: Path
    ) -> None:
        async with self.before(tmp_path) as (stage, front):
            target = stage.target()
            first = await ask(front.port, target)
            tag, made = first["etag"], first["last-modified"]
            table: list[tuple[tuple[Field, ...], int, bytes]] = [
                ((), 200, BODY),
                ((("If-None-Match", tag),), 304, b""),
                ((("If-None-Match", f"W/{tag}"),), 304, b""),
                ((("If-None-Match", '"x"'),), 200, BODY),
                ((("If-Modified-Since", made),), 304, b""),
                ((("If-None-Match", '"x"'), ("If-Modified-Since", made)), 200, BODY),
                ((("Range", "bytes=10-99"),), 206, BODY[10:100]),
                ((("Range", "bytes=-7"),), 206, BODY[-7:]),
                ((("Range", "bytes=299990-"),), 206, BODY[-10:]),
                ((("Range", "bytes=10-99"), ("If-Range", tag)), 206, BODY[10:100]),
                ((("Range", "bytes=10-99"), ("If-Range", '"x"')), 200, BODY),
            ]
            assert first.status == 200
            assert first.body == BODY
            for fields, status, body in table:
                reply = await ask(front.port, target, *fields)
                assert reply.whole
                assert reply.status == status, (fields, reply.status)
                assert reply.body == body
                assert reply["etag"] == tag
                assert reply["cache-control"] == first["cache-control"]
                if status == 206:
                    start = BODY.index(body) if len(body) > 10 else len(BODY) - len(body)
                    end = start + len(body) - 1
                    assert reply["content-range"] == f"bytes {start}-{end}/{len(BODY)}"
            outside = await ask(front.port, target, ("Range", "bytes=300000-"))
            assert outside.status == 416
            assert outside["content-range"] == f"bytes */{len(BODY)}"
            head = await ask(front.port, target, method="HEAD")
            assert head.status == 200
            for name in ("content-length", "content-type", "etag", "last-modified"):
                assert head[name] == first[name]
            await self.asked(stage, 1)
            assert stage.imaginary.made == 1

    async def test_head_and_range_of_what_is_not_kept_are_right(self, tmp_path: Path) -> None:
        async with self.before(tmp_path) as (stage, front):
            head = await ask(front.port, stage.target(10), method="HEAD")
            assert (head.status, head["content-length"]) == (200, str(len(BODY)))
            part = await ask(front.port, stage.target(20), ("Range", "bytes=10-99"))
            assert (part.status, part.body) == (206, BODY[10:100])
            whole = await ask(front.port, stage.target(20))
            assert whole.body == BODY
            assert stage.imaginary.made == 2

    async def test_restart_with_an_empty_store_asks_us_again(self, tmp_path: Path) -> None:
        async with self.before(tmp_path) as (stage, front):
            first = await ask(front.port, stage.target())
            await front.restart()
            again = await ask(front.port, stage.target())
            assert (again.status, again["etag"]) == (200, first["etag"])
            assert again.body == BODY
            assert again["cache-status"] == "Imcaxy; hit; detail=memory"
            await self.asked(stage, 2)
            assert stage.imaginary.made == 1

    async def test_negotiated_formats_are_kept_apart(self, tmp_path: Path) -> None:
        async with (
            Server(tmp_path, source_dir=ROOT / "samples") as server,
            self.front(tmp_path, server.port) as front,
        ):
            for _ in range(2):
                for accept, media_type in ((CHROME, "image/webp"), (OLD_SAFARI, "image/jpeg")):
                    reply = await ask(front.port, AUTO, ("Accept", accept))
                    assert (reply.status, reply["content-type"]) == (200, media_type)
                    assert reply.names("vary") == {"accept"}
                    direct = await ask(server.port, AUTO, ("Accept", accept))
                    assert reply.body == direct.body
                    assert reply["etag"] == direct["etag"]
            await eventually(lambda: len(logged(server)) == 2 + 4)

    async def test_picture_of_ten_days_ago_is_kept_and_its_age_grows(self, tmp_path: Path) -> None:
        async with self.before(tmp_path) as (stage, front):
            await ask(stage.server.port, stage.target())
            await make_older(stage.server, TEN_DAYS)
            first = await ask(front.port, stage.target())
            made = parsedate_to_datetime(first["last-modified"]).timestamp()
            assert CLOCK.wall() - made > TEN_DAYS - 60
            assert first["cache-status"] == "Imcaxy; hit; detail=disk"
            began = CLOCK.wall()
            young = first.age(began)
            assert young <= 30 + SLACK
            while True:
                later = await ask(front.port, stage.target())
                now = CLOCK.wall()
                assert abs(later.age(now) - young - (now - began)) <= SLACK
                assert later["date"] == first["date"]
                if now - began > 2 * SLACK:
                    break
                await asyncio.sleep(0.5)
            await self.asked(stage, 2)

    async def test_copy_is_used_for_max_age_and_then_asked_for_again(self, tmp_path: Path) -> None:
        lifetime = 5
        settings = {"max_age": lifetime, "stale_while_revalidate": 0}
        async with self.before(tmp_path, *self.no_grace, **settings) as (stage, front):
            await ask(front.port, stage.target())
            async with asyncio.timeout(60):
                while len(logged(stage.server)) < 4:  # three lifetimes
                    began = CLOCK.wall()
                    reply = await ask(front.port, stage.target())
                    assert reply.body == BODY
                    assert reply.age(began) <= lifetime + SLACK
                    await asyncio.sleep(0.1)
            times = [line["time"] for line in logged(stage.server)]
            spans = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert min(spans) > lifetime - SLACK
            assert stage.imaginary.made == 1

    @pytest.mark.needs("curl")
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    async def test_cut_picture_is_noticed_by_curl_and_kept_by_nobody(
        self, tmp_path: Path, framing: str
    ) -> None:
        async with self.before(tmp_path) as (stage, front):
            hold = Hold()
            cut = Answer(BODY, end="fin", hold=hold)
            whole = Answer(BODY)
            if framing == "chunked":
                cut.framing = whole.framing = "chunked"
            stage.imaginary.answer(cut, cut, whole)
            target, file = stage.target(), tmp_path / "got"
            loading = asyncio.get_running_loop().create_task(exit_of_curl(front.port, target, file))
            await hold.reached()
            await eventually(lambda: file.exists() and file.stat().st_size > 0)
            hold.release()
            assert await loading == 18  # "partial file": the transfer ended early
            assert 0 < file.stat().st_size < len(BODY)
            assert BODY.startswith(file.read_bytes())
            assert await exit_of_curl(stage.server.port, target, file) in {18, 56}
            assert stage.imaginary.made == 2
            reply = await ask(front.port, target)
            while reply.status == 502:  # the job that failed has not quite ended
                assert reply["cache-control"] == "no-store"
                reply = await ask(front.port, target)
            for _ in range(2):
                assert (reply.status, reply.whole) == (200, True), reply
                assert reply.body == BODY
                reply = await ask(front.port, target)
            assert stage.imaginary.made == 3

    async def test_error_that_is_not_to_be_kept_is_asked_for_again(self, tmp_path: Path) -> None:
        async with self.before(tmp_path) as (stage, front):
            stage.imaginary.answer(Answer(b"", status=500), Answer(BODY))
            failed = await ask(front.port, stage.target())
            assert (failed.status, failed["cache-control"]) == (502, "no-store")
            assert (await ask(front.port, stage.target())).body == BODY

    async def test_error_is_kept_only_as_long_as_it_says(self, tmp_path: Path) -> None:
        async with self.before(tmp_path, remember_failures=1) as (stage, front):
            missing = stage.target(path="/missing")
            for _ in range(2):
                reply = await ask(front.port, missing)
                assert (reply.status, reply.problem["type"]) == (404, "/problems/source-missing")
                assert reply["cache-control"] == "public, max-age=30"
            assert stage.origin.counts["/missing"] == 1
            await self.asked(stage, 1)

    async def asked(self, stage: Stack, count: int) -> None:
        """Fail unless the server's log comes to have exactly so many requests for pictures."""
        await eventually(lambda: len(logged(stage.server)) >= count)
        assert len(logged(stage.server)) == count
