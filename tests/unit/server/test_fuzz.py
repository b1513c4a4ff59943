"""Random requests in random splits: each answer is strict HTTP, none is a 500, none hangs."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from imcaxy.errors import Overloaded
from imcaxy.server.listening import Patience
from tests.fakes.clock import settle
from tests.fakes.house import House, Open
from tests.fakes.proxy import HIT, MISS, ScriptedVariant, kept
from tests.fakes.wire import Wire

TARGETS = (
    "/imaginary/resize?width=1",
    "/imaginary/chunked",
    "/imaginary/busy",
    "/imaginary/resize%3Fx",
    "/healthz",
    "/readyz",
    "*",
    "http://x/imaginary/resize",
    "/\xff?\xfe",
    "/%00%ff//..",
    "",
    "?",
    "/" + "a" * 9000,
)
METHODS = ("GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE", "CONNECT", "BREW", "get")
FIELDS = (
    "Range: bytes=0-9",
    "Range: bytes=-5,0-0,900-",
    "Range: bytes=99999-",
    "If-None-Match: *",
    'If-Match: "x"',
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    "If-Range: rubbish",
    "Accept: image/avif,*/*;q=0.1",
    "Origin: https://a.example",
    "Origin: null",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: x",
    "Transfer-Encoding: chunked",
    "X-Request-Id: a\tb",
    "Accept-Encoding: gzip",
    "Content-Encoding: gzip",
    "Cookie: " + "c" * 5000,
    "Bad Field: x",
    ": empty",
    " folded",
    "X: \xff\xfe",
)
TAILS = ("", "", "", "hello", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhel", "\r\n\r\n", "\x00")


def random_request(chance: random.Random, plain: bool, targets: Sequence[str] = TARGETS) -> bytes:
    """One request; a plain one can be parsed, so that the connection goes on.

    Plain ones name the first six of `targets`.
    """
    if plain:
        target = chance.choice(targets[:6])
        fields = chance.sample(FIELDS[:10], chance.choice((0, 1, 2)))
        head = [f"{chance.choice(METHODS[:5])} {target} HTTP/1.1", "Host: x", *fields]
        return "\r\n".join([*head, "", ""]).encode("latin-1")
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http"))
    fields = chance.sample(FIELDS, chance.choice((0, 0, 1, 1, 2, 3, 5)))
    head = [f"{chance.choice(METHODS)} {chance.choice(targets)} {version}", "Host: x", *fields]
    raw = bytearray(("\r\n".join([*head, "", ""]) + chance.choice(TAILS)).encode("latin-1"))
    if chance.random() < 0.1:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)


async def _fuzz(house: House, seed: int, count: int) -> int:
    """How many answers came; the server must end each connection by itself."""
    chance = random.Random(seed)
    seen: list[int] = []
    left = count
    while left:
        plain = chance.random() < 0.5
        batch = [random_request(chance, plain) for _ in range(min(left, chance.choice((1, 5, 30))))]
        left -= len(batch)
        wire = await Wire.open(house.port)
        try:
            raw = b"".join(batch)
            while raw:
                size = chance.choice((1, 3, 50, 1000, 100_000))
                wire.writer.write(raw[:size])
                raw = raw[size:]
                if chance.random() < 0.3:
                    await settle(1)
            seen += _statuses(await wire.raw())
        finally:
            wire.close()
    return len(seen)


def _statuses(raw: bytes) -> list[int]:
    """The status of each answer; AssertionError for bytes that are not answers, one after another.

    The requests are unknown here, so an answer without a body is told by its own status line and
    the next one: after a complete head comes a body as framed, or at once the next status line.
    """
    statuses: list[int] = []
    while raw:
        head, divider, rest = raw.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        assert line[:9] == b"HTTP/1.1 ", raw[:80]
        if not divider:
            break
        statuses.append(int(line[9:12]))
        named = dict(field.split(b": ", 1) for field in fields)
        assert len(named) == len(fields), fields
        raw = rest if rest[:9] == b"HTTP/1.1 " else _after_body(named, rest)
    return statuses


def _after_body(named: dict[bytes, bytes], rest: bytes) -> bytes:
    if b"Content-Length" in named:
        length = int(named[b"Content-Length"])
        assert rest == b"" or len(rest) >= length
        return rest[length:]
    if b"Transfer-Encoding" in named and rest:
        size, _, rest = rest.partition(b"\r\n")
        while (count := int(size, 16)) > 0:
            assert rest[count : count + 2] == b"\r\n"
            size, _, rest = rest[count + 2 :].partition(b"\r\n")
        return rest[2:]
    return rest


@pytest.mark.parametrize(
    "count", [300, pytest.param(20_000, marks=pytest.mark.slow)], ids=["small", "large"]
)
async def test_random_requests_are_answered_or_refused_cleanly(serving: Open, count: Any) -> None:
    patience = Patience(keepalive=0.2, head=0.2, body=0.05)
    async with serving(patience=patience) as house:
        house.proxy.put("resize", kept(bytes(1000)), HIT, ("Accept",))
        chunked = ScriptedVariant(None).give(bytes(500))
        chunked.whole = True  # its head, as taken by a request, has no length
        house.proxy.put("chunked", chunked, MISS)
        house.proxy.pictures["busy"] = Overloaded()
        for operation in ("", "resize%3Fx"):
            house.proxy.pictures[operation] = Overloaded()
        async with asyncio.timeout(30 + count / 100):
            answers = await asyncio.gather(*(_fuzz(house, n, count // 16) for n in range(16)))
        assert sum(answers) > count / 3
        statuses = {line["status"] for line in house.log}
        assert 200 in statuses
        assert 400 in statuses
        assert 500 not in statuses
