"""Random requests at two servers, one of them without the fast lane: the same bytes come back."""

import asyncio
import json
import random
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imcaxy.clock import Clock
from imcaxy.server.application import Application
from imcaxy.server.listening import Listener, Patience
from imcaxy.server.policy import HttpPolicy
from tests.fakes.clock import settle
from tests.fakes.held import HeldPictures
from tests.unit.server.test_fuzz import random_request

_BOUNDARY = re.compile(rb"[0-9a-f]{32}")  # of a multipart body: a random one
_ANSWER = 0.1  # seconds that the answer to what may be a whole request is waited for
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHROMIUM = (
    "Connection: keep-alive",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    'sec-ch-ua: "Chromium";v="126"',
    "Sec-Fetch-Mode: no-cors",
    "Accept-Encoding: gzip, deflate, br",
)
SOURCE = "&url=http://host/a.png"
PLAIN = "/imaginary/resize?width=3&type=png" + SOURCE
AUTO = "/imaginary/resize?width=4&type=auto" + SOURCE
VERSION = "/imaginary/resize?width=5&type=webp&v=7" + SOURCE
ANSWERED = "/imaginary/resize?width=8&type=webp&v=8" + SOURCE
LONG = "/imaginary/resize?width=6" + SOURCE  # too much for one write
HUGE = "/imaginary/resize?width=7" + SOURCE  # too much for the fast lane
FILE = "/imaginary/resize?width=9" + SOURCE  # in an open file, sent by the kernel
SMALL_FILE = "/imaginary/resize?width=10" + SOURCE  # in an open file, read at once
HELD = (PLAIN, PLAIN, AUTO, AUTO, VERSION, LONG, HUGE, ANSWERED, FILE, SMALL_FILE)
OTHERS = ("/healthz", "/imaginary/resize?width=abc" + SOURCE, PLAIN + "#x", "http://x" + PLAIN)
FIELDS = (  # the first are well-formed: the connection goes on
    "Origin: https://a.example",
    "Origin: https://b.example",
    "Origin: https://stranger.test",
    "Origin:",
    "Accept: */*",
    "accept: image/webp;q=0",
    "Save-Data: on",
    "Save-Data: ON ",
    "If-None-Match: *",
    'If-None-Match: "other", W/TAG',
    "If-None-Match: TAG",
    "If-None-Match: TAG\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    "If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT",
    "If-Match: TAG",
    "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    "Range: bytes=0-3",
    "Range: bytes=1-1\r\nIf-Range: TAG",
    "Range: bytes=999999999-",
    "X-Request-Id: mine-1",
    "X-Request-Id: not one!",
    "X-Forwarded-For: 10.0.0.1",
    "X_Under: score",
    "Cookie: " + "c" * 3000,
    "Cookie: " + "c" * 9000,
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Content-Type: text/plain",
    "Accept: image/png\r\nAccept: image/webp",
    "Content-Length: 0",
    "Connection: keep-alive",
    "Connection: Keep-Alive, x",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Host: second",
    "Sec-WebSocket-Key1: x",
    "X:\tb",
    "X: \xe9",
    "X: a\x01b",
    "X : y",
    " folded: line",
    "NoColon",
    ": empty",
    "Bare: a\nline: b",
)
WELL_FORMED = FIELDS.index("Connection: keep-alive") + 1
CUT = "\x1f"  # here one piece ends and the next begins
# A second request that only one of two parsers would see.
INNER = f"GET {PLAIN} HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = (
    f"Content-Length: {len(INNER)}\r\n\r\n{INNER}",
    f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{INNER}",
    f"Transfer-Encoding: chunked\r\n\r\n{len(INNER):x}\r\n{INNER}\r\n0\r\n\r\n",
    f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{INNER}",
    f"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{INNER}",
    f"Transfer_Encoding: chunked\r\n\r\n{INNER}",
    f"X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n{INNER}",
    f"Content-Length: 1\r\nContent-Length: {len(INNER)}\r\n\r\n{INNER}",
    f"Content-Length: +{len(INNER)}\r\n\r\n{INNER}",
    f"X: y\n\n{INNER}",
    f"X: y\r\n\r{INNER}",
    f"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n{INNER}",
    f"X: y\r\n\r\n\r\n{INNER}",
    f"X: y\r\n\r\n{INNER[:30]}",
    f"X: y\r\n\r\nGET /healthz HTTP/1.1\r\nX: {CUT}{INNER}",
    f"X: y\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n{CUT}{INNER}",
    f"X: y\r\n{CUT}{INNER}",
    f"Content-Length: {len(INNER)}\r\n\r\n{CUT}{INNER}",
    f"Content-Length: {2 * len(INNER)}\r\n\r\n{CUT}{INNER}{CUT}{INNER}",
    f"Transfer-Encoding: chunked\r\n\r\n{CUT}{len(INNER):x}\r\n{CUT}{INNER}{CUT}\r\n0\r\n\r\n",
)


@dataclass
class Road:
    """A server of its own over the pictures that both have."""

    application: Application
    listener: Listener
    port: int
    lines: list[bytes] = field(default_factory=list)

    @classmethod
    async def open(cls, pictures: HeldPictures, limit: int) -> "Road":
        lines: list[bytes] = []
        policy = HttpPolicy(
            allowed_origins=("a.example", "b.example"), fast_lane_limit=limit, shared_max_age=600
        )
        application = pictures.application(lines.append, policy)
        patience = Patience(keepalive=20.0, head=20.0, body=1.0, grace=0.0)
        listener = Listener(application, Clock(), patience)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        await listener.start([listening])
        return cls(application, listener, listening.getsockname()[1], lines)

    async def said(self, pieces: list[bytes]) -> bytes:
        """All that comes back until the server closes."""
        loop = asyncio.get_running_loop()
        got = bytearray()
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, ("127.0.0.1", self.port))

            async def listen() -> None:
                try:
                    while data := await loop.sock_recv(connection, 1 << 20):
                        got.extend(data)
                except ConnectionError:
                    got.extend(b"<reset>")

            listening = loop.create_task(listen())
            for piece in pieces:
                if listening.done():
                    break
                before = len(got)
                try:
                    await loop.sock_sendall(connection, piece)
                except ConnectionError:
                    break
                await settle(3)  # so that each piece is read by itself
                end = loop.time() + (_ANSWER if piece.endswith(b"\r\n\r\n") else 0.0)
                while len(got) == before and not listening.done() and loop.time() < end:
                    await asyncio.sleep(0)
            await listening
        return _BOUNDARY.sub(b"boundary", bytes(got))


def one_request(chance: random.Random, tags: list[str], *, wild: bool) -> bytes:
    """Mostly what the fast lane takes; the rest is close to it, or an attempt at two requests."""
    kind = chance.random()
    if wild and kind < 0.1:
        return random_request(chance, plain=chance.random() < 0.7, targets=(*HELD[:6], *OTHERS))
    target = chance.choice(HELD if kind < 0.9 else OTHERS)
    method = "GET" if kind < 0.8 else chance.choice(("GET", "HEAD", "POST", "OPTIONS"))
    odd = wild and chance.random() < 0.05
    version = "HTTP/1.1" if not odd else chance.choice(("HTTP/1.0", "HTTP/1.2"))
    fields = ["Host: x"] if not wild or chance.random() < 0.98 else []
    if chance.random() < 0.5:
        fields += CHROMIUM
    fields += chance.sample(
        FIELDS if wild else FIELDS[:WELL_FORMED], chance.choice((0, 0, 0, 1, 1, 2))
    )
    head = "\r\n".join((f"{method} {target} {version}", *fields)) + "\r\n"
    head = head.replace("TAG", chance.choice(tags))
    tail = chance.choice(SMUGGLED) if wild and chance.random() < 0.15 else "\r\n"
    return (head + tail).encode("latin-1")


def split(chance: random.Random, raw: bytes, *, coarse: bool) -> list[bytes]:
    """Pieces from one byte to all."""
    sizes = chance.choice(((1,), (2, 5), (1, 100), (60, 300)))
    cuts = raw.split(CUT.encode())
    if coarse or len(cuts) > 1:
        return [each for each in cuts if each]
    pieces = []
    while raw:
        size = chance.choice(sizes)
        pieces.append(raw[:size])
        raw = raw[size:]
    return pieces


async def compare(fast: Road, normal: Road, seed: int, count: int, tags: list[str]) -> None:
    chance = random.Random(seed)
    while count > 0:
        size = min(count, chance.choice((1, 4, 8)))
        wild = chance.random() < 0.5
        batch = [one_request(chance, tags, wild=wild) for _ in range(size)]
        count -= size
        coarse = chance.random() < 0.8
        if coarse and chance.random() < 0.3:  # pipelined, in one piece
            batch = [b"".join(batch)]
        pieces = [piece for each in batch for piece in split(chance, each, coarse=coarse)]
        pieces.append(LAST)
        both = await asyncio.gather(fast.said(pieces), normal.said(pieces))
        assert both[0] == both[1], (seed, pieces)


def hold_all(pictures: HeldPictures) -> None:
    chromium = "image/webp,*/*"
    pictures.hold(PLAIN, b"p" * 2000)
    pictures.hold(VERSION, b"v" * 30_000)
    pictures.hold(LONG, b"l" * 200_000)
    pictures.hold(HUGE, b"h" * 300_000)
    for save_data in (False, True):
        for target in (PLAIN, VERSION, ANSWERED, LONG, HUGE):
            pictures.hold(target, target.encode() * 9, save_data=save_data)
        pictures.hold(AUTO, b"webp" * 99, chromium, save_data=save_data)
        pictures.hold(AUTO, b"own" * 99, "*/*", save_data=save_data)
    pictures.hold(LONG, b"l" * 200_000)
    pictures.hold(HUGE, b"h" * 300_000)


def sorted_lines(road: Road) -> list[Any]:
    return sorted((json.loads(line) for line in road.lines), key=json.dumps)


@pytest.mark.parametrize(
    "count", [400, pytest.param(5000, marks=pytest.mark.slow)], ids=["small", "large"]
)
async def test_both_roads_say_the_same_bytes_and_log_the_same_lines(
    count: Any, tmp_path: Path
) -> None:
    pictures = HeldPictures()
    hold_all(pictures)
    pictures.hold_in_file(FILE, b"f" * 100_000, tmp_path / "file")
    pictures.hold_in_file(SMALL_FILE, b"s" * 3000, tmp_path / "small")
    pictures.commits.known.add("8")
    tags = [pictures.store.at_hand(pictures.plan(t).signature).entry.head.etag for t in HELD]  # type: ignore[union-attr]  # all are held
    fast, normal = await Road.open(pictures, 1 << 20), await Road.open(pictures, 0)
    try:
        async with asyncio.timeout(60 + count / 20):
            await asyncio.gather(*(compare(fast, normal, n, count // 8, tags) for n in range(8)))
        assert sorted_lines(fast) == sorted_lines(normal)
    finally:
        for road in (fast, normal):
            await road.listener.drain(1.0)
    assert normal.application.lane is None
    assert fast.application.lane is not None
    answered = fast.application.lane.answered
    assert answered > count / 8
    assert {line["status"] for line in sorted_lines(fast)} >= {200, 206, 304, 400, 412, 416}
