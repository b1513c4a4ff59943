import json
import logging
import re
from typing import Any

import pytest

from imcaxy.errors import Overloaded, SourceMissing, SourceRefused
from imcaxy.proxy.base import Plan, Served
from imcaxy.server.answers import Answer
from imcaxy.server.application import Route, json_answer, names_image
from imcaxy.server.exchange import Exchange, split_target
from imcaxy.server.policy import Health, HttpPolicy
from tests.fakes.house import House, Open
from tests.fakes.proxy import ETAG, HIT, MADE_AT, MISS, ScriptedVariant, kept
from tests.fakes.wire import until

TARGET = "/imaginary/resize?width=1"
BODY = bytes(range(200)) * 5  # 1000 bytes


async def test_get_hit_carries_every_field_of_guarantee_9(house: House) -> None:
    house.proxy.put("resize", kept(BODY, "image/avif"), HIT, ("Accept",))
    reply = await (await house.wire()).get(TARGET)
    fields = dict(reply.headers)
    assert re.fullmatch("[0-9a-f]{24}", fields.pop("x-request-id"))
    assert fields.pop("date").endswith(" GMT")
    assert 0 <= int(fields.pop("age")) < 30
    assert fields == {
        "content-type": "image/avif",
        "content-length": "1000",
        "etag": ETAG,
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "cache-control": "public, max-age=300, stale-while-revalidate=86400",
        "cache-status": "Imcaxy; hit; detail=memory",
        "accept-ranges": "bytes",
        "vary": "Accept",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": fields["access-control-expose-headers"],
        "timing-allow-origin": "*",
    }


async def test_request_is_handed_down_raw_and_undecoded(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    wire = await house.wire()
    fields = ("Accept: image/webp", "Save-Data: On", "Accept: */*")
    await wire.get("/imaginary/resize?a=%3F&b=%26?c#", *fields)
    asked = house.proxy.asked[0]
    assert (asked.operation, asked.query) == ("resize", "a=%3F&b=%26?c#")
    assert (asked.accept, asked.save_data, asked.wants_image) == ("image/webp, */*", True, True)
    await wire.get("/imaginary/resize")
    asked = house.proxy.asked[1]
    assert (asked.query, asked.accept, asked.save_data, asked.wants_image) == (
        "",
        None,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/imaginary/resize%3Furl=x", ("/imaginary/resize%3Furl=x", "")),  # F31 of caching.md
        ("http://other.example:1/imaginary/x?y", ("/imaginary/x", "y")),
        ("HTTPS://other.example?y", ("/", "y")),
        ("http://other.example", ("/", "")),
        ("*", ("*", "")),
        ("/a?b?c", ("/a", "b?c")),
        ("/../healthz", ("/../healthz", "")),
        ("//healthz", ("//healthz", "")),
        ("/\udcff?é", ("/%FF", "%C3%A9")),
    ],
)
def test_split_target_first_question_mark_divides(target: Any, parts: Any) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize(
    ("accept", "names"),
    [
        ("image/avif,image/webp,*/*;q=0.8", True),
        ("text/html, IMAGE/*", True),
        ("*/*", False),
        ("text/html", False),
        ("application/x-image/webp", False),
    ],
)
def test_names_image_only_when_an_image_type_is_named(accept: Any, names: Any) -> None:
    assert names_image(accept) is names


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("whole", [True, False], ids=["kept", "running"])
async def test_if_none_match_is_304_with_its_fields_and_without_reading(
    house: House, method: Any, whole: Any
) -> None:
    picture = kept(BODY) if whole else ScriptedVariant(1000)
    house.proxy.put("resize", picture, HIT, ("Accept", "Save-Data"))
    wire = await house.wire()
    reply = await wire.get(TARGET, f"If-None-Match: W/{ETAG}", method=method)
    assert (reply.status, reply.body, picture.reads) == (304, b"", [])
    assert reply.headers["etag"] == ETAG
    assert reply.headers["vary"] == "Accept, Save-Data"
    assert reply.headers["cache-control"].startswith("public, max-age=300")
    assert {"date", "age", "cache-status", "access-control-allow-origin"} <= set(reply.headers)
    assert not {"content-type", "content-length", "transfer-encoding"} & set(reply.headers)
    assert (await wire.get("/healthz")).status == 200


async def test_if_match_of_another_picture_is_412_with_vary(house: House) -> None:
    house.proxy.put("resize", kept(BODY), HIT, ("Accept",))
    reply = await (await house.wire()).get(TARGET, 'If-Match: "other"')
    assert (reply.status, reply.headers["vary"]) == (412, "Accept")


@pytest.mark.parametrize(
    ("fields", "status", "content_range", "body"),
    [
        (["Range: bytes=0-9"], 206, "bytes 0-9/1000", BODY[:10]),
        (["Range: bytes=990-"], 206, "bytes 990-999/1000", BODY[990:]),
        (["Range: bytes=-1"], 206, "bytes 999-999/1000", BODY[999:]),
        (["Range: bytes=9-0"], 200, None, BODY),
        (["Range: bytes=0-9", f"If-Range: {ETAG}"], 206, "bytes 0-9/1000", BODY[:10]),
        (["Range: bytes=0-9", 'If-Range: "other"'], 200, None, BODY),
        (["Range: bytes=0-9", f"If-None-Match: {ETAG}"], 304, None, b""),
    ],
)
async def test_range_of_a_kept_picture(
    house: House, fields: Any, status: Any, content_range: Any, body: Any
) -> None:
    house.proxy.put("resize", kept(BODY))
    reply = await (await house.wire()).get(TARGET, *fields)
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers.get("content-range") == content_range


async def test_range_behind_the_end_is_416_with_the_length(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    reply = await (await house.wire()).get(TARGET, "Range: bytes=1000-")
    assert (reply.status, reply.headers["content-range"]) == (416, "bytes */1000")


async def test_range_of_a_head_is_ignored(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    reply = await (await house.wire()).get(TARGET, "Range: bytes=0-9", method="HEAD")
    assert (reply.status, reply.headers["content-length"]) == (200, "1000")


async def test_several_ranges_are_multipart(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    reply = await (await house.wire()).get(TARGET, "Range: bytes=0-1,500-501,-1")
    assert (reply.status, reply.whole) == (206, True)
    boundary = reply.headers["content-type"].removeprefix("multipart/byteranges; boundary=")
    assert "content-range" not in reply.headers
    parts = reply.body.split(f"\r\n--{boundary}".encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    heads = [part.split(b"\r\n\r\n", 1) for part in parts[1:-1]]
    assert [content for _, content in heads] == [BODY[:2], BODY[500:502], BODY[-1:]]
    assert heads[1][0] == b"\r\nContent-Type: image/webp\r\nContent-Range: bytes 500-501/1000"


async def test_range_of_a_running_picture_with_known_length_is_sent_as_it_comes(
    house: House,
) -> None:
    picture = ScriptedVariant(1000).give(BODY[:100])
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    reply = await wire.get(TARGET, "Range: bytes=0-99")
    assert (reply.status, reply.body) == (206, BODY[:100])
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nRange: bytes=-10\r\n\r\n")
    await until(lambda: picture.readers)
    picture.give(BODY[100:]).end()
    assert (await wire.reply()).body == BODY[-10:]


async def test_range_of_a_running_picture_with_unknown_length(house: House) -> None:
    house.proxy.put("resize", ScriptedVariant(None).give(BODY[:100]), MISS)
    wire = await house.wire()
    reply = await wire.get(TARGET, "Range: bytes=0-9")
    assert (reply.status, reply.headers["content-range"]) == (206, "bytes 0-9/*")
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n\r\n")
    assert b" 200 OK" in await wire.reader.readuntil(b"\r\n")


async def test_fallback_is_not_kept_by_anybody(house: House) -> None:
    house.proxy.pictures["resize"] = Served(kept(BODY), MISS, (), fallback=True)
    reply = await (await house.wire()).get(TARGET)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("target", "method", "status", "kind"),
    [
        ("/", "GET", 404, "unknown-route"),
        ("/imaginary", "GET", 404, "unknown-route"),
        ("/../imaginary/resize", "GET", 404, "unknown-route"),
        ("//imaginary/resize", "GET", 404, "unknown-route"),
        ("/%69maginary/resize", "GET", 404, "unknown-route"),
        (TARGET, "POST", 405, "method-not-allowed"),
        (TARGET, "DELETE", 405, "method-not-allowed"),
        (TARGET, "PATCH", 405, "method-not-allowed"),
        ("/healthz", "PUT", 405, "method-not-allowed"),
    ],
)
async def test_what_is_not_there_is_a_problem(
    house: House, target: Any, method: Any, status: Any, kind: Any
) -> None:
    wire = await house.wire()
    reply = await wire.get(target, method=method)
    assert (reply.status, reply.whole) == (status, True)
    assert json.loads(reply.body)["type"] == f"/problems/{kind}"
    assert reply.headers["cache-control"] == "no-store"
    if status == 405:
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await wire.get("/healthz")).status == 200


async def test_error_carries_vary_cors_and_request_id(house: House) -> None:
    house.proxy.plans["resize"] = Plan(("Accept",))
    house.proxy.pictures["resize"] = Overloaded(retry_after=3)
    reply = await (await house.wire()).get(TARGET, "X-Request-Id: abc-1")
    assert (reply.status, reply.headers["retry-after"], reply.headers["vary"]) == (
        503,
        "3",
        "Accept",
    )
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["x-request-id"] == json.loads(reply.body)["instance"] == "abc-1"


async def test_error_to_a_head_has_no_body(house: House) -> None:
    house.proxy.plans["resize"] = SourceRefused()
    wire = await house.wire()
    reply = await wire.get(TARGET, method="HEAD")
    assert (reply.status, reply.body) == (403, b"")
    assert (await wire.get("/healthz")).status == 200


@pytest.mark.parametrize("given", ["a b", "x" * 65, "é", "<script>", ""])
async def test_unsafe_request_id_is_replaced(house: House, given: Any) -> None:
    reply = await (await house.wire()).get("/healthz", f"X-Request-Id: {given}")
    assert re.fullmatch("[0-9a-f]{24}", reply.headers["x-request-id"])


async def test_unexpected_exception_is_500_and_logged(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.proxy.pictures["resize"] = ZeroDivisionError("secret")
    with caplog.at_level(logging.ERROR):
        reply = await (await house.wire()).get(TARGET)
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "ZeroDivisionError" in caplog.text


async def test_listed_origin_is_echoed_others_refused_all_vary(serving: Open) -> None:
    async with serving(HttpPolicy(allowed_origins=("good.example",))) as house:
        house.proxy.put("resize", kept(BODY), HIT, ("Accept",))
        wire = await house.wire()
        good = await wire.get(TARGET, "Origin: https://good.example")
        assert good.headers["access-control-allow-origin"] == "https://good.example"
        none = await wire.get(TARGET)
        assert none.status == 200
        bad = await wire.get(TARGET, "Origin: https://bad.example")
        assert (bad.status, json.loads(bad.body)["type"]) == (403, "/problems/origin-refused")
        assert "access-control-allow-origin" not in bad.headers
        assert [r.headers["vary"] for r in (good, none, bad)] == [
            "Accept, Origin",
            "Accept, Origin",
            "Origin",
        ]
        assert len(house.proxy.asked) == 2


async def test_preflight_is_204_and_asks_nobody(house: House) -> None:
    reply = await (await house.wire()).get(
        TARGET, "Origin: https://a.example", "Access-Control-Request-Method: GET", method="OPTIONS"
    )
    assert (reply.status, reply.body, reply.headers["allow"]) == (204, b"", "GET, HEAD, OPTIONS")
    assert reply.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert reply.headers["access-control-max-age"] == "86400"
    assert "content-length" not in reply.headers
    assert house.proxy.asked == []


async def test_options_star_is_204(house: House) -> None:
    assert (await (await house.wire()).get("*", method="OPTIONS")).status == 204


async def test_readyz_says_why_not(house: House) -> None:
    wire = await house.wire()
    assert (await wire.get("/readyz")).status == 200
    house.health = Health(unready="starting", degraded="the store failed")
    reply = await wire.get("/readyz")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert json.loads(reply.body) == {"status": "not ready", "reason": "starting"}
    assert (await wire.get("/healthz", method="HEAD")).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_says_degraded_and_stays_200(house: House, path: str) -> None:
    house.health = Health(degraded="the store failed")
    reply = await (await house.wire()).get(path)
    assert reply.status == 200
    assert json.loads(reply.body) == {"status": "degraded", "reason": "the store failed"}


@pytest.mark.parametrize(
    ("factor", "cached"),
    [(1.0, "public, max-age=30"), (0.5, "public, max-age=15"), (0.0, "no-store")],
)
async def test_client_keeps_a_failure_as_long_as_the_server_does(
    serving: Open, factor: float, cached: str
) -> None:
    async with serving(HttpPolicy(remember_failures=factor)) as house:
        house.proxy.pictures["resize"] = SourceMissing()
        reply = await (await house.wire()).get(TARGET)
        assert (reply.status, reply.headers["cache-control"]) == (404, cached)


async def test_log_line_of_an_error_names_its_kind(house: House) -> None:
    house.proxy.pictures["resize"] = SourceMissing()
    wire = await house.wire()
    await wire.get(TARGET)
    await wire.get("/healthz")
    assert [line["problem"] for line in house.log] == ["source-missing", None]


async def _echo(exchange: Exchange) -> Answer:
    return json_answer(200, {"length": len(await exchange.request.read())})


async def test_extra_route_reads_a_body_after_100_continue(serving: Open) -> None:
    async with serving(extra_routes=(Route("/echo", {"DELETE": _echo}),)) as house:
        wire = await house.wire()
        await wire.send(
            "DELETE /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        early = await wire.reader.readuntil(b"\r\n\r\n")
        assert early == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send("abc")
        reply = await wire.reply()
        assert (reply.status, json.loads(reply.body)) == (200, {"length": 3})
        assert (await wire.get("/healthz")).status == 200


async def test_body_larger_than_accepted_is_413(serving: Open) -> None:
    async with serving(extra_routes=(Route("/echo", {"POST": _echo}),)) as house:
        wire = await house.wire()
        await wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        await wire.send(bytes(9_000_000))
        assert (await wire.reply()).status == 413


async def test_unknown_expectation_is_417(house: House) -> None:
    assert (await (await house.wire()).get(TARGET, "Expect: miracles")).status == 417


async def test_log_line_says_what_happened_without_secrets(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    wire = await house.wire()
    reply = await wire.get("/imaginary/resize?sign=abc&url=https://u:p@a.example/x?y=z")
    (line,) = house.log
    assert line.pop("seconds") < 5
    assert line.pop("time") > MADE_AT
    assert line == {
        "id": reply.headers["x-request-id"],
        "peer": "127.0.0.1",
        "method": "GET",
        "target": "/imaginary/resize?sign=***&url=https://***@a.example/x?***",
        "status": 200,
        "bytes": 1000,
        "cache": "Imcaxy; hit; detail=memory",
        "problem": None,
        "ended": "whole",
    }
