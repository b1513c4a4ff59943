"""The rules of the public suite for HTTP caches that a cache with its own freshness can be held to.

The suite is http-tests/cache-tests; each row has the id that the suite gave the rule. Of its 370
tests most ask whether the origin's freshness decides, which it does not here: a picture is kept
until it is invalidated or evicted. What is left is here, 49 and 2 rows, none left out:

* 25 on errors and odd statuses, which are never reused (`REFUSED`);
* 10 on fields that belong to one hop (`HOP`, and the unknown transfer coding);
* 5 on ranges of a picture that is kept (`RANGES`, and two on the fields of a part);
* 2 on the key (`query-args-*`);
* 7 on a kept 200 being reused (`REUSED`);
* 2 on `Age` and `Date`.

The first 25 are asked of a server that tries each failure anew, `IMCAXY_REMEMBER_FAILURES=0`. By
default one is remembered for seconds and given again, as an error of our own: the last test.

Two are held in another form, because no field of an origin or of an Imaginary server is passed on:
`partial-use-stored-headers` asks for the fields of our own that the kept picture has, and
`headers-store-Transfer-Encoding` for a coding that exists, since a body in an unknown one cannot be
read (RFC 9112 §6.1) and is refused.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from imcaxy.clock import Clock
from tests.e2e.ageing import make_older
from tests.e2e.asking import PATIENCE, Field, Reply, ask
from tests.e2e.harness import Answer, ScriptedServer, Stack, png, png_of, stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

MEMORY = 1_048_576  # bytes, the least that can be set
BODIES = {"memory": png_of(4000), "disk": png_of(MEMORY + 1)}  # the larger one stays on disk
NOW = Clock().wall()
MARK = "Upstream-Mark"  # a value that no field of ours has
OF_ONE_ANSWER = {"age", "cache-status", "connection", "date", "x-request-id"}
SLACK = 2.0  # seconds: Date and Age are whole ones, here and there

Place = Literal["origin", "maker"]


def date(seconds: float) -> str:
    """The HTTP-date that lies so far from now."""
    return formatdate(NOW + seconds, usegmt=True)


STALE: tuple[Field, ...] = (
    ("Expires", date(-5000)),
    ("Last-Modified", date(-100_000)),
    ("Date", date(0)),
)
HEURISTIC: tuple[Field, ...] = (("Last-Modified", date(-86_400)), ("Date", date(0)))
FRESH: tuple[Field, ...] = (
    ("Expires", date(100_000)),
    ("Cache-Control", "max-age=100000"),
    ("Last-Modified", date(0)),
    ("Date", date(0)),
)


@dataclass
class House:
    """A server between two scripted ones, and the picture that it makes of every source."""

    stage: Stack
    tier: str
    body: bytes


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(BODIES))
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A server that tries every failure anew, and serves what it keeps from this tier."""
    directory = tmp_path_factory.mktemp(request.param)
    async with stack(directory, remember_failures=0, memory_limit=MEMORY) as stage:
        yield House(stage, request.param, BODIES[request.param])


class Subject:
    """One picture of its own source: what upstream says of it, and how often it was asked."""

    numbers = itertools.count(1)

    def __init__(self, house: House, place: Place = "maker", query: str = "") -> None:
        self.stage, self.tier, self.body = house.stage, house.tier, house.body
        self.number = next(self.numbers)
        self.path = f"/subject-{self.number}.png"
        self.target = house.stage.target(self.number, self.path + query)
        self.place = place
        self.good = png() if place == "origin" else house.body  # what is right at `place`
        self.script()

    @property
    def upstream(self) -> ScriptedServer:
        """The server whose answers are scripted."""
        return self.stage.origin if self.place == "origin" else self.stage.imaginary

    def script(self, *answers: Answer) -> None:
        """Answer so at `place`, the last one for ever; the other server does what it should."""
        script = answers or (Answer(self.good),)
        self.stage.imaginary.answer(Answer(self.body))
        if self.place == "origin":
            self.stage.origin.script(self.path, *script)
        else:
            self.stage.imaginary.answer(*script)

    @property
    def asked(self) -> int:
        """How often the server at `place` was asked for this picture."""
        if self.place == "origin":
            return self.stage.origin.counts[self.path]
        width = str(self.number)
        return sum(one.query.get("width") == width for one in self.stage.imaginary.requests)

    async def get(self, *fields: Field, target: str | None = None) -> Reply:
        """The answer to a GET, whole."""
        reply = await ask(self.stage.server.port, target or self.target, *fields)
        assert reply.whole
        return reply

    async def keep(self, *fields: Field) -> Reply:
        """The answer to the first GET, whose picture is then kept."""
        reply = await self.get(*fields)
        assert (reply.status, reply.body) == (200, self.body)
        assert reply["cache-status"].startswith("Imcaxy; fwd=miss; stored")
        async with asyncio.timeout(PATIENCE):
            while not (await self._head())["cache-status"].startswith("Imcaxy; hit"):
                await asyncio.sleep(0.01)  # it has been sent, and is being kept
        return reply

    async def _head(self) -> Reply:
        return await ask(self.stage.server.port, self.target, method="HEAD")

    async def reuse(self, *fields: Field) -> Reply:
        """The answer to a later GET; nobody was asked for it."""
        asked = self.asked, self.stage.imaginary.made
        reply = await self.get(*fields)
        assert reply["cache-status"] == f"Imcaxy; hit; detail={self.tier}"
        assert (self.asked, self.stage.imaginary.made) == asked
        return reply


REFUSED: dict[str, tuple[int, tuple[Field, ...]]] = {
    **{
        f"status-{status}-stale": (status, STALE)
        for status in (203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499)
    },
    **{f"status-{status}-stale": (status, STALE) for status in (500, 502, 503, 504, 599)},
    "status-599-must-understand": (
        599,
        (("Cache-Control", "max-age=3600, no-store, must-understand"),),
    ),
    **{
        f"heuristic-{status}-not_cached": (status, HEURISTIC)
        for status in (201, 202, 403, 502, 503, 504, 599)
    },
}


@pytest.mark.parametrize("place", ["origin", "maker"])
@pytest.mark.parametrize("rule", REFUSED)
async def test_odd_status_is_asked_for_again(house: House, rule: str, place: Place) -> None:
    status, fields = REFUSED[rule]
    body = b"" if status == 204 else house.body
    odd = Answer(body, status=status, headers=fields)
    subject = Subject(house, place)
    subject.script(odd, odd, Answer(subject.good))
    for time in (1, 2):
        reply = await subject.get()
        assert 400 <= reply.status < 600
        assert reply.problem["status"] == reply.status
        assert house.body not in reply.body
        assert reply.get("age") is None
        assert subject.asked == time
    await subject.keep()
    assert (await subject.reuse()).body == house.body
    assert subject.asked == 3


def about_the_hop(name: str) -> tuple[Field, ...]:
    return ((name, MARK),)


HOP: dict[str, tuple[Field, ...]] = {
    "headers-omit-headers-listed-in-Connection": (
        ("Connection", "a, b"),
        ("a", MARK),
        ("b", MARK),
        ("c", MARK),
    ),
    **{
        f"headers-store-{name}": about_the_hop(name)
        for name in ("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info")
    },
    **{
        f"headers-store-{name}": about_the_hop(name)
        for name in ("Proxy-Authorization", "Proxy-Connection", "TE", "Upgrade")
    },
}


@pytest.mark.parametrize("place", ["origin", "maker"])
@pytest.mark.parametrize("rule", HOP)
async def test_field_of_one_hop_is_not_repeated(house: House, rule: str, place: Place) -> None:
    subject = Subject(house, place)
    subject.script(Answer(subject.good, headers=(("Cache-Control", "max-age=3600"), *HOP[rule])))
    first = await subject.keep()
    condition, part = ("If-None-Match", first["etag"]), ("Range", "bytes=0-9")
    replies = [first, await subject.reuse()]
    replies += [await subject.reuse(condition), await subject.reuse(part)]
    assert [reply.status for reply in replies] == [200, 200, 304, 206]
    names = {name.lower() for name, _ in HOP[rule]} - {"connection"}
    for reply in replies:
        assert not names & dict(reply.fields).keys()
        assert not [value for _, value in reply.fields if MARK in value]


@pytest.mark.parametrize("place", ["origin", "maker"])
@pytest.mark.parametrize("rule", ["headers-store-Transfer-Encoding"])
async def test_transfer_coding_of_one_hop_is_not_kept(
    house: House, rule: str, place: Place
) -> None:
    subject = Subject(house, place)
    subject.script(Answer(subject.good, framing="chunked"))
    await subject.keep()
    kept = await subject.reuse()
    assert kept.get("transfer-encoding") is None
    assert (kept["content-length"], kept.body) == (str(len(house.body)), house.body)


@pytest.mark.parametrize("framing", ["length", "close"])
@pytest.mark.parametrize("place", ["origin", "maker"])
async def test_unknown_transfer_coding_is_refused_and_not_kept(
    house: House, place: Place, framing: Literal["length", "close"]
) -> None:
    subject = Subject(house, place)
    coded = Answer(subject.good, framing=framing, headers=(("Transfer-Encoding", MARK),))
    subject.script(coded, Answer(subject.good))
    reply = await subject.get()
    assert reply.status == 502
    assert reply.get("transfer-encoding") is None
    await subject.keep()


RANGES = {
    "partial-store-complete-reuse-partial": ("bytes=0-1", slice(0, 2)),
    "partial-store-complete-reuse-partial-no-last": ("bytes=1-", slice(1, None)),
    "partial-store-complete-reuse-partial-suffix": ("bytes=-1", slice(-1, None)),
}


@pytest.mark.parametrize("rule", RANGES)
async def test_part_is_cut_from_the_kept_whole(house: House, rule: str) -> None:
    text, wanted = RANGES[rule]
    subject = Subject(house)
    await subject.keep()
    part = await subject.reuse(("Range", text))
    assert (part.status, part.body) == (206, house.body[wanted])
    first, stop, _ = wanted.indices(len(house.body))
    assert part["content-range"] == f"bytes {first}-{stop - 1}/{len(house.body)}"
    assert part["content-length"] == str(stop - first)
    assert (await subject.reuse()).body == house.body


@pytest.mark.parametrize("rule", ["partial-use-headers"])
async def test_part_has_the_fields_of_the_newest_answer(house: House, rule: str) -> None:
    subject = Subject(house)
    others = Answer(house.body[::-1], headers=(("A", "2"),))
    subject.script(Answer(house.body, headers=(("A", "1"),)), others)
    await subject.keep(("X-Request-Id", "first"))
    part = await subject.reuse(("Range", "bytes=0-1"), ("X-Request-Id", "second"))
    assert (part.status, part.body) == (206, house.body[:2])
    assert part.get("a") is None
    assert part["x-request-id"] == "second"


@pytest.mark.parametrize("rule", ["partial-use-stored-headers"])
async def test_part_has_the_other_fields_of_the_kept_whole(house: House, rule: str) -> None:
    subject = Subject(house)
    await subject.keep()
    whole, part = await subject.reuse(), await subject.reuse(("Range", "bytes=0-1"))
    kept = {name: value for name, value in whole.fields if name not in OF_ONE_ANSWER}
    assert {"etag", "last-modified", "content-type", "cache-control"} <= kept.keys()
    ours = {name: value for name, value in part.fields if name not in OF_ONE_ANSWER}
    assert ours == {**kept, "content-length": "2", "content-range": part["content-range"]}


@pytest.mark.parametrize("rule", ["query-args-different"])
async def test_other_query_is_another_picture(house: House, rule: str) -> None:
    one, other = Subject(house, "origin", "?test=1"), Subject(house, "origin", "?test=2")
    other.path, other.number = one.path, one.number
    other.target = one.target.replace("test%3D1", "test%3D2")
    await one.keep()
    await other.keep()
    assert house.stage.origin.counts[one.path] == 2
    wider = one.target.replace(f"width={one.number}&", f"width={one.number + 5000}&")
    assert (await one.get(target=wider))["cache-status"].startswith("Imcaxy; fwd=miss")


@pytest.mark.parametrize("rule", ["query-args-same"])
async def test_same_query_is_the_same_picture(house: House, rule: str) -> None:
    subject = Subject(house, "origin", "?test=1")
    await subject.keep()
    assert (await subject.reuse()).body == house.body


NO_STORE = (("Cache-Control", "max-age=3600, no-store, must-understand"),)
ATTACHMENT = (*FRESH, ("Content-Disposition", "attachment; filename=example.txt"))
REUSED: dict[str, tuple[tuple[Field, ...], tuple[Field, ...]]] = {
    # what upstream says, what the second request has
    "status-200-fresh": (FRESH, ()),
    "status-200-must-understand": (NO_STORE, ()),
    "freshness-max-age": ((("Cache-Control", "max-age=3600"),), ()),
    "freshness-expires-future": ((("Expires", date(30 * 86_400)), ("Date", date(0))), ()),
    "other-cookie": (FRESH, (("Cookie", "a=b"),)),
    "other-set-cookie": ((*FRESH, ("Set-Cookie", "a=b")), ()),
    "other-fresh-content-disposition-attachment": (ATTACHMENT, ()),
}


@pytest.mark.parametrize("place", ["origin", "maker"])
@pytest.mark.parametrize("rule", REUSED)
async def test_kept_200_is_reused(house: House, rule: str, place: Place) -> None:
    upstream, fields = REUSED[rule]
    subject = Subject(house, place)
    subject.script(Answer(subject.good, headers=upstream))
    first = await subject.keep()
    reply = await subject.reuse(*fields)
    assert (reply.status, reply.body) == (200, house.body)
    kept = {name: value for name, value in first.fields if name not in OF_ONE_ANSWER}
    assert kept.items() <= dict(reply.fields).items()
    assert not {"set-cookie", "content-disposition", "expires"} & dict(reply.fields).keys()


@pytest.mark.parametrize("rules", ["other-age-gen, other-date-update"])
async def test_age_of_a_kept_picture_grows_and_its_date_stands(tmp_path: Path, rules: str) -> None:
    clock = Clock()
    async with stack(tmp_path) as stage:
        subject = Subject(House(stage, "memory", BODIES["memory"]))
        assert (await subject.keep()).get("age") is None
        await make_older(stage.server, 4)
        await subject.get()  # from the disk into memory
        first = await subject.reuse()
        async with asyncio.timeout(60):
            while True:
                later = await subject.reuse()
                for reply in (first, later):
                    made = parsedate_to_datetime(reply["date"]).timestamp()
                    assert abs(clock.wall() - made - int(reply["age"])) <= SLACK
                if int(later["age"]) > max(2, int(first["age"])):
                    break  # until then a second has not passed, or a new window has begun
                first = later
                await asyncio.sleep(0.2)
        assert later["date"] == first["date"]


@pytest.mark.parametrize("place", ["origin", "maker"])
async def test_remembered_failure_ends_and_is_then_asked_for_again(
    tmp_path: Path, place: Place
) -> None:
    async with stack(tmp_path) as stage:
        subject = Subject(House(stage, "memory", BODIES["memory"]), place)
        subject.script(Answer(b"", status=500, headers=FRESH), Answer(subject.good))
        assert (await subject.get()).status == 502
        async with asyncio.timeout(60):
            while (reply := await subject.get()).status != 200:
                assert (reply.status, reply["cache-control"]) == (502, "no-store")
                assert subject.asked == 1
                await asyncio.sleep(0.2)
        assert (reply.body, subject.asked) == (subject.body, 2)
