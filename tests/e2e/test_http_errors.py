"""Errors, origins, the fallback and Save-Data on the wire of a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.asking import Reply, ask
from tests.e2e.harness import Answer, Server, Stack, png, stack
from tests.e2e.scripted import Choice
from tests.e2e.server import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMG = ("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
FETCH = ("Accept", "*/*")
PAGE = "https://shop.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A server with the defaults: every origin may use it, there is no fallback."""
    async with stack(tmp_path_factory.mktemp("open")) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A server for the pages of one host, with a fallback."""
    settings = {"allowed_origins": "shop.example", "fallback": "source", "remember_failures": 0}
    async with stack(tmp_path_factory.mktemp("strict"), **settings) as stage:
        yield stage


def common(reply: Reply) -> None:
    """What every answer has, errors included."""
    assert reply["x-content-type-options"] == "nosniff"
    assert reply["cross-origin-resource-policy"] == "cross-origin"
    assert reply["x-request-id"]
    assert reply["date"]
    assert reply.get("set-cookie") is None


SOURCE = "&url={origin}/photo.png"
PROBLEMS: dict[str, tuple[str, int, str, str | None, str]] = {
    # target, status, kind, the value at fault, Cache-Control
    "malformed-number": (
        "/imaginary/resize?width=abc" + SOURCE,
        *(400, "malformed-parameter", "abc", "no-store"),
    ),
    "parameter-missing": (
        "/imaginary/resize?x=1" + SOURCE,
        *(400, "missing-parameter", None, "no-store"),
    ),
    "type-unknown": (
        "/imaginary/resize?width=9&type=bmp" + SOURCE,
        *(400, "unsupported-format", "bmp", "no-store"),
    ),
    "operation-unknown": (
        "/imaginary/explode?width=9" + SOURCE,
        *(404, "unknown-operation", "explode", "no-store"),
    ),
    "route-unknown": ("/nowhere", 404, "unknown-route", None, "no-store"),
    "source-malformed": (
        "/imaginary/resize?width=9&url=ftp://example.com/x",
        *(400, "malformed-source", "ftp", "no-store"),
    ),
    "source-missing": (
        "/imaginary/resize?width=9&url={origin}/missing",
        *(404, "source-missing", None, "public, max-age=30"),
    ),
    "source-private": (
        "/imaginary/resize?width=9&url=http://10.1.2.3/x.png",
        *(403, "source-refused", "10.1.2.3", "public, max-age=60"),
    ),
    "source-no-picture": (
        "/imaginary/resize?width=9&url={origin}/text",
        *(406, "source-unsupported", None, "public, max-age=60"),
    ),
    "processor-failed": (
        "/imaginary/resize?width=500" + SOURCE,
        *(502, "processor-failed", None, "no-store"),
    ),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", PROBLEMS)
async def test_rfc_9457_error_names_what_is_wrong(
    open_house: Stack, case: str, method: str
) -> None:
    open_house.origin.script("/text", Answer(b"hello, world", media_type="text/plain"))
    open_house.imaginary.answer(Answer(b"", status=500))
    target, status, kind, value, kept = PROBLEMS[case]
    target = target.format(origin=quote(open_house.origin.url, safe=""))
    reply = await ask(open_house.server.port, target, method=method)
    common(reply)
    assert (reply.status, reply["cache-control"]) == (status, kept)
    assert reply["content-type"] == "application/problem+json"
    assert (reply.get("retry-after") is not None) == (status >= 502)
    if method == "HEAD":
        assert reply.body == b""
        assert int(reply["content-length"]) > 0
        return
    problem = reply.problem
    assert (problem["type"], problem["status"]) == (f"/problems/{kind}", status)
    assert problem["title"]
    assert problem["message"] == problem["detail"]
    assert problem["instance"] == reply["x-request-id"]
    assert value is None or value in problem["value"]
    if status == 400:
        assert problem["accepted"]
    for internal in ("Traceback", "imcaxy.", str(ROOT), "Error("):
        assert internal not in reply.body.decode()


async def test_12_5_5_vary_is_on_errors_and_304_too(open_house: Stack) -> None:
    port, auto = open_house.server.port, open_house.target(60) + "&type=auto"
    open_house.imaginary.answer(Answer(b"", status=500), Answer(png()))
    failed = await ask(port, auto, IMG)
    assert (failed.status, failed.names("vary")) == (502, {"accept"})
    fixed = open_house.target(61)
    whole = await ask(port, fixed, IMG)
    assert (whole.status, whole.names("vary")) == (200, set())
    same = await ask(port, fixed, IMG, ("If-None-Match", whole["etag"]))
    assert (same.status, same.names("vary")) == (304, set())
    missing = await ask(port, open_house.target(62, "/missing") + "&type=auto", IMG)
    assert (missing.status, missing.names("vary")) == (404, {"accept"})
    picture = await ask(port, open_house.target(63) + "&type=auto", IMG)
    same = await ask(
        port, open_house.target(63) + "&type=auto", IMG, ("If-None-Match", picture["etag"])
    )
    assert (same.status, same.names("vary")) == (304, {"accept"})


async def test_fetch_cors_every_page_may_read_by_default(open_house: Stack) -> None:
    open_house.imaginary.answer(Answer(png()))
    target = open_house.target(70)
    for extra in ((), (("Origin", PAGE),), (("Origin", "null"),)):
        reply = await ask(open_house.server.port, target, *extra)
        assert reply["access-control-allow-origin"] == "*"
        assert reply["timing-allow-origin"] == "*"
        exposed = reply.names("access-control-expose-headers")
        assert {"etag", "age", "cache-status", "content-range", "retry-after"} <= exposed
        assert "origin" not in reply.names("vary")
        assert reply.get("access-control-allow-credentials") is None


@pytest.mark.parametrize("strict", [False, True])
async def test_fetch_cors_preflight_allows_what_a_page_can_send(
    open_house: Stack, strict_house: Stack, strict: bool
) -> None:
    stage = strict_house if strict else open_house
    reply = await ask(
        stage.server.port,
        stage.target(70),
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "range,if-range"),
        method="OPTIONS",
    )
    assert (reply.status, reply.body) == (204, b"")
    assert reply["access-control-allow-origin"] == (PAGE if strict else "*")
    assert ("origin" in reply.names("vary")) == strict
    assert reply.names("access-control-allow-methods") == {"get", "head", "options"}
    assert {"range", "if-range", "if-none-match"} <= reply.names("access-control-allow-headers")
    assert int(reply["access-control-max-age"]) > 0


async def test_fetch_cors_listed_origin_is_named_and_in_vary(strict_house: Stack) -> None:
    strict_house.imaginary.answer(Answer(png()))
    port, target = strict_house.server.port, strict_house.target(70)
    reply = await ask(port, target, ("Origin", PAGE))
    assert (reply.status, reply["access-control-allow-origin"]) == (200, PAGE)
    assert reply.names("vary") == {"origin"}
    bare = await ask(port, target)
    assert (bare.status, bare.get("access-control-allow-origin")) == (200, None)
    assert bare.names("vary") == {"origin"}
    same = await ask(port, target, ("Origin", PAGE), ("If-None-Match", reply["etag"]))
    assert (same.status, same.names("vary")) == (304, {"origin"})


async def test_fetch_cors_other_origin_is_refused(strict_house: Stack) -> None:
    reply = await ask(
        strict_house.server.port, strict_house.target(70), ("Origin", "https://thief.example")
    )
    common(reply)
    assert (reply.status, reply["cache-control"]) == (403, "no-store")
    assert reply.problem["type"] == "/problems/origin-refused"
    assert reply.problem["value"] == "https://thief.example"
    assert reply.get("access-control-allow-origin") is None
    assert "origin" in reply.names("vary")


FAILURES: dict[str, Choice] = {
    "failed": Answer(b"", status=500),
    "undecodable": Answer(b'{"message":"bad","status":400}', status=400),
    "unavailable": Answer(b"", status=503),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_fallback_gives_an_img_the_source_and_others_the_error(
    strict_house: Stack, failure: str
) -> None:
    strict_house.imaginary.answer(FAILURES[failure])
    port, target = strict_house.server.port, strict_house.target(80 + list(FAILURES).index(failure))
    tags = set()
    for _ in range(2):
        shown = await ask(port, target, IMG)
        common(shown)
        assert (shown.status, shown.body) == (200, png())
        assert (shown["content-type"], shown["cache-control"]) == ("image/png", "no-store")
        assert shown["cache-status"] == "Imcaxy; fwd=bypass; detail=fallback"
        assert shown.names("vary") == {"accept", "origin"}
        tags.add(shown["etag"])
        told = await ask(port, target, FETCH)
        assert (told.status, told.problem["status"]) == (told.status, told.status)
        assert told.status >= 400
        assert told.names("vary") == {"accept", "origin"}
    strict_house.imaginary.answer(Answer(png(9, 9)))
    while (healed := await ask(port, target, IMG)).status == 200 and healed.body == png():
        await asyncio.sleep(0.05)
    assert (healed.status, healed.body) == (200, png(9, 9))
    assert healed.names("vary") == {"origin"}
    assert healed["etag"] not in tags
    assert len(tags) == 1


async def test_save_data_gives_fewer_bytes_under_a_tag_of_their_own(tmp_path: Path) -> None:
    settings = {"source_dir": ROOT / "samples", "save_data_quality_step": 40}
    save = ("Save-Data", "on")
    async with Server(tmp_path, **settings) as server:

        async def get(query: str, *fields: tuple[str, str]) -> Reply:
            target = f"/imaginary/resize?width=300&file=coffee.jpg&{query}"
            reply = await ask(server.port, target, *fields)
            assert reply.status == 200
            return reply

        for query, vary in (("type=webp", {"save-data"}), ("type=auto", {"accept", "save-data"})):
            full, less = await get(query, IMG), await get(query, IMG, save)
            assert full.names("vary") == less.names("vary") == vary
            assert full["etag"] != less["etag"]
            assert 0 < len(less.body) < 0.9 * len(full.body)
            same = await get(query, IMG, ("Save-Data", "off"))
            assert (same["etag"], same.body) == (full["etag"], full.body)
        less, named = await get("type=webp", save), await get("type=webp&quality=35")
        assert (named["etag"], named.body) == (less["etag"], less.body)
        lossless = await get("type=png", save)
        assert lossless.names("vary") == set()
        assert lossless["etag"] == (await get("type=png"))["etag"]


async def test_save_data_means_nothing_without_the_setting(tmp_path: Path) -> None:
    async with Server(tmp_path, source_dir=ROOT / "samples") as server:
        target = "/imaginary/resize?width=64&type=webp&file=coffee.jpg"
        full = await ask(server.port, target)
        less = await ask(server.port, target, ("Save-Data", "on"))
        assert (less["etag"], less.names("vary")) == (full["etag"], set())
