"""One request, then a hundred more: the origin is asked once and the picture is made once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from tests.e2e.harness import Answer, Response, ScriptedOrigin, Server, digest, eventually, stack

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PHOTO = "/coffee.jpg"
MISS = "Imcaxy; fwd=miss; stored"


@dataclass
class Site:
    """A server with its own picture makers, and an origin that has one photograph."""

    origin: ScriptedOrigin
    server: Server

    def target(self, width: int = 120, spelling: str = "width={}&type=webp") -> str:
        source = quote(self.origin.url + PHOTO, safe="")
        return f"/imaginary/resize?{spelling.format(width)}&url={source}"

    async def get(self, width: int = 120) -> Response:
        response = await self.server.client.get(self.target(width))
        assert response.status == 200, response.body
        assert response.whole
        return response

    def told(self) -> Counter[str]:
        """How often each Cache-Status stands in the access log of all runs."""
        lines = [line for line in self.server.output.splitlines() if '"target"' in line]
        records = [orjson.loads(line) for line in lines]
        return Counter(item["cache"] for item in records if "/imaginary/" in item["target"])


@asynccontextmanager
async def site(directory: Path, delay: float = 0.0, **settings: object) -> AsyncIterator[Site]:
    body = (SAMPLES / PHOTO.strip("/")).read_bytes()
    async with ScriptedOrigin() as origin:
        origin.script(PHOTO, Answer(body, media_type="image/jpeg", delay=delay))
        async with Server(directory, dev=True, allowed_networks="", **settings) as server:
            yield Site(origin, server)


def status(response: Response) -> str:
    return response.headers["cache-status"]


async def test_server_that_keeps_nothing_makes_one_picture_for_all_who_wait(tmp_path: Path) -> None:
    async with site(tmp_path, delay=1.0, keep=False) as here:
        pictures = await asyncio.gather(*(here.get() for _ in range(20)))
        again = await here.get()
        made = Counter(map(status, pictures))
        assert made == {"Imcaxy; fwd=miss; detail=not-stored": 1, "Imcaxy; fwd=miss; collapsed": 19}
        assert len({digest(picture.body) for picture in (*pictures, again)}) == 1
        assert again.headers["etag"] == pictures[0].headers["etag"]
        assert status(again) == "Imcaxy; fwd=miss; detail=not-stored"


async def test_one_request_then_a_hundred_more_cost_one_get_and_one_job(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first = await here.get()
        assert status(first) == MISS
        more = await asyncio.gather(*(here.get() for _ in range(50)))
        # The entry is committed a moment after the picture was sent.
        await eventually(lambda: here.server.shelf.kept() == 1)
        more += [await here.get() for _ in range(50)]
        assert {digest(each.body) for each in more} == {digest(first.body)}
        assert {each.headers["etag"] for each in more} == {first.headers["etag"]}
        told = [status(each) for each in more[50:]]
        assert told == sorted(told)  # "fwd=miss; collapsed" until it is kept, hits from then on
        assert told[-1] == "Imcaxy; hit; detail=memory"
        assert here.origin.counts[PHOTO] == 1
        await here.server.stop()  # the log is complete
        assert sum(here.told().values()) == 101
        assert here.told()[MISS] == 1


async def test_hundred_requests_at_once_cost_one_get_and_one_job(tmp_path: Path) -> None:
    async with site(tmp_path, delay=0.3) as here:
        all_of_them = await asyncio.gather(*(here.get() for _ in range(100)))
        assert len({digest(each.body) for each in all_of_them}) == 1
        assert Counter(map(status, all_of_them)) == {MISS: 1, "Imcaxy; fwd=miss; collapsed": 99}
        assert here.origin.counts[PHOTO] == 1


async def test_the_processor_is_asked_once_for_a_hundred_and_one_requests(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        first = await stage.get()
        more = await stage.many(100)
        assert {digest(each.body) for each in (first, *more)} == {digest(first.body)}
        assert stage.imaginary.made == 1
        assert stage.origin.counts["/photo.png"] == 1


async def test_spellings_of_one_request_share_its_picture(tmp_path: Path) -> None:
    spellings = ("width={}&type=webp", "type=webp&width={}", "width={}&type=webp&v=c0ffee&x=1")
    async with site(tmp_path) as here:
        for spelling in spellings:
            response = await here.server.client.get(here.target(120, spelling))
            assert response.status == 200
        assert here.origin.counts[PHOTO] == 1
        await here.server.stop()
        assert here.told()[MISS] == 1


async def test_kill_and_restart_is_still_a_hit_with_the_same_etag(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first = await here.get()
        # The entry is committed a moment after the picture was sent.
        await eventually(lambda: here.server.shelf.kept() == 1)
        for tier in (here.server.shelf.tier, "memory"):
            if tier != "memory":
                await here.server.kill()
                await here.server.start()
            again = await here.get()
            assert status(again) == f"Imcaxy; hit; detail={tier}"
            assert again.headers["etag"] == first.headers["etag"]
            assert again.headers["last-modified"] == first.headers["last-modified"]
            assert again.body == first.body
        assert here.origin.counts[PHOTO] == 1


async def test_kill_before_anything_is_kept_makes_the_same_picture_again(tmp_path: Path) -> None:
    async with site(tmp_path, delay=0.5) as here:
        lost = await here.server.client.begin(here.target())
        while not here.origin.counts[PHOTO]:
            await asyncio.sleep(0.01)
        await here.server.kill()
        assert (await lost.rest()).ending == "no answer"
        await here.server.start()
        first = await here.get()
        assert status(first) == MISS
        assert here.origin.counts[PHOTO] == 2


async def test_six_widths_of_one_source_at_once_cost_one_get(tmp_path: Path) -> None:
    widths = (40, 80, 120, 160, 200, 240)
    async with site(tmp_path, delay=0.3) as here:
        answers = await asyncio.gather(*(here.get(width) for width in widths))
        assert Counter(map(status, answers)) == {MISS: 6}
        assert len({digest(each.body) for each in answers}) == 6
        assert here.origin.counts[PHOTO] == 1
