"""Fetching over real sockets: what counts as whole, every bound, every failure."""

import asyncio
import gzip
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from imcaxy.errors import (
    Overloaded,
    SourceEmpty,
    SourceError,
    SourceFailed,
    SourceMissing,
    SourceRefused,
    SourceTimeout,
    SourceTooLarge,
)
from imcaxy.grammar.source import Source, parse_source_url
from imcaxy.sources.fetching import HttpReader, next_hop
from tests.fakes.nameserver import nameserver
from tests.fakes.origin import origin, redirect, reply, sending

LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = bytes(range(256)) * 40


async def no_bound(_: int) -> None:
    """Admit anything."""


@asynccontextmanager
async def reading(
    *, max_bytes: int = 100_000, timeout: float = 5, domains: tuple[str, ...] = ("*",)
) -> AsyncIterator[Callable[[str], Awaitable[bytes]]]:
    reader = HttpReader(
        max_bytes=max_bytes, timeout=timeout, allowed_domains=domains, networks=LOOPBACK
    )
    try:
        yield lambda url: reader.read(parse_source_url(url), no_bound)
    finally:
        await reader.close()


async def test_read_when_all_kept_connections_died_at_once_makes_a_new_one() -> None:
    connections = 0

    async def serve(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            await stream.readuntil(b"\r\n\r\n")
            writer.write(reply("200 OK", BODY))
            await stream.readuntil(b"\r\n\r\n")  # a second request is too much for it
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"
    async with server, reading() as read:
        assert await asyncio.gather(*(read(url) for _ in range(3))) == [BODY] * 3
        assert connections == 3
        assert await read(url) == BODY
        assert connections == 4


async def test_read_whole_answer_returns_its_body_and_asks_for_what_is_new() -> None:
    async with origin(sending(reply("200 OK", BODY))) as server, reading() as read:
        assert await read(f"{server.url}/a%20b/./c?x=%41&y=ä") == BODY
    head = server.requests[0].split("\r\n")
    assert head[0] == "GET /a%20b/./c?x=%41&y=%C3%A4 HTTP/1.1"
    fields = {line.split(": ")[0].lower(): line.split(": ")[1] for line in head[1:] if line}
    assert fields.pop("user-agent").startswith("Imcaxy/")
    assert fields.pop("host") == f"127.0.0.1:{server.port}"
    assert fields == {
        "accept": "image/*",
        "accept-encoding": "identity",
        "cache-control": "no-cache",
    }


async def test_read_chunked_answer_returns_its_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(BODY), BODY) for _ in range(3)) + b"0\r\n\r\n"
    async with origin(sending(head, chunks)) as server, reading() as read:
        assert await read(server.url) == BODY * 3


async def test_read_body_of_exactly_the_bound_is_whole() -> None:
    body = BODY * 300
    async with (
        origin(sending(reply("200 OK", body))) as server,
        reading(max_bytes=len(body)) as read,
    ):
        assert await read(server.url) == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_read_redirect_is_followed(status: int) -> None:
    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        moved = head.startswith("GET /dir/old ")
        writer.write(redirect("../new?x#part", f"{status} Moved") if moved else reply("200", BODY))

    async with origin(answer) as server, reading() as read:
        assert await read(f"{server.url}/dir/old") == BODY
    assert server.requests[1].startswith("GET /new?x HTTP/1.1")


async def test_read_cookie_of_a_redirect_is_not_sent_back() -> None:
    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        set_cookie = "Set-Cookie: a=b"
        if head.startswith("GET /1 "):
            writer.write(reply("302 Found", b"", "Location: /2", set_cookie))
        else:
            writer.write(reply("200 OK", BODY, set_cookie))

    async with origin(answer) as server, reading() as read:
        await read(f"{server.url}/1")
    assert "cookie" not in server.requests[1].lower()


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply("404 Not Found", b"x"), SourceMissing),
        (reply("410 Gone"), SourceMissing),
        (reply("401 Unauthorized"), SourceFailed),
        (reply("403 Forbidden"), SourceFailed),
        (reply("500 Internal Server Error", BODY), SourceFailed),
        (reply("503 Service Unavailable"), SourceFailed),
        (b"HTTP/1.1 204 No Content\r\n\r\n", SourceFailed),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", SourceFailed),
        (reply("206 Partial Content", BODY, "Content-Range: bytes 0-9/10"), SourceFailed),
        (reply("203 Non-Authoritative Information", BODY), SourceFailed),
        (reply("300 Multiple Choices", b"", "Location: /"), SourceFailed),
        (reply("302 Found"), SourceFailed),
        (redirect("/again"), SourceFailed),
        (redirect("http://[::1"), SourceFailed),
        (redirect("http://2130706433/"), SourceFailed),
        (redirect("ftp://example.com/"), SourceRefused),
        (redirect("file:///etc/passwd"), SourceRefused),
        (redirect("data:image/png;base64,AAAA"), SourceRefused),
        (redirect("http://user:secret@example.com/"), SourceRefused),
        (reply("200 OK", b""), SourceEmpty),
        (reply("200 OK", BODY, length=len(BODY) + 1), SourceFailed),
        (reply("200 OK", BODY, length=10**15), SourceTooLarge),
        (reply("200 OK", b"a" * 100_001), SourceTooLarge),
        (reply("200 OK", gzip.compress(BODY), "Content-Encoding: gzip"), SourceFailed),
        (reply("200 OK", BODY, "Content-Encoding: br"), SourceFailed),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", SourceFailed),
        (HEAD + b"Content-Length: -1\r\n\r\nab", SourceFailed),
        (HEAD + b"Content-Length: many\r\n\r\nab", SourceFailed),
        (HEAD + b"\r\n" + BODY, SourceFailed),
        (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, SourceFailed),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SourceFailed),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc", SourceFailed),
        (CHUNKED + b"5\r\nabcde\r\n", SourceFailed),
        (CHUNKED + b"5\r\nabc", SourceFailed),
        (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", SourceFailed),
        (CHUNKED + b"3\r\nabcXX0\r\n\r\n", SourceFailed),
        (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", SourceFailed),
        (CHUNKED + b"5\r\nabcde\r\n0\r\n", SourceFailed),
        (CHUNKED + b"0\r\n\r\n", SourceEmpty),
        (CHUNKED + b"1869F\r\n" + b"a" * 99_999 + b"\r\n2\r\nab\r\n0\r\n\r\n", SourceTooLarge),
        (HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n", SourceFailed),
        (HEAD + b"X: a\r\n" * 5_000 + b"\r\n", SourceFailed),
        (b"\x16\x03\x01 this is no HTTP", SourceFailed),
        (b"SSH-2.0-OpenSSH_9.2\r\n", SourceFailed),
        (b"HTTP/1.1 2", SourceFailed),
        (b"", SourceFailed),
    ],
)
async def test_read_answer_that_is_not_a_whole_source_is_an_error(
    answer: bytes, error: type[SourceError]
) -> None:
    async with origin(sending(answer)) as server, reading() as read:
        with pytest.raises(SourceError) as caught:
            await read(server.url)
    assert type(caught.value) is error
    assert caught.value.detail.endswith(".")


async def test_read_redirect_loop_ends_after_five_hops() -> None:
    async with origin(sending(redirect("/"))) as server, reading() as read:
        with pytest.raises(SourceFailed, match="too often"):
            await read(server.url)
    assert len(server.requests) == 6


async def test_read_domain_not_allowed_is_refused_on_the_first_hop() -> None:
    async with origin(sending(reply("200 OK", BODY))) as server, reading(domains=("a.b",)) as read:
        with pytest.raises(SourceRefused, match="domain"):
            await read(server.url)
    assert server.connections == 0


async def test_read_domain_not_allowed_is_refused_on_a_later_hop() -> None:
    async with (
        origin(sending(reply("200 OK", BODY))) as other,
        origin(sending(redirect(f"http://127.0.0.2:{other.port}/"))) as server,
        reading(domains=("127.0.0.1",)) as read,
    ):
        with pytest.raises(SourceRefused, match="domain"):
            await read(server.url)
        assert other.connections == 0


async def test_read_unreachable_server_is_a_failure_without_internals() -> None:
    async with origin(sending(b"")) as server:
        url = server.url
    async with reading() as read:
        with pytest.raises(SourceFailed) as caught:
            await read(url)
    assert caught.value.value == "127.0.0.1"
    assert "Errno" not in caught.value.detail
    assert str(server.port) not in caught.value.detail


async def test_read_https_of_a_plain_server_is_a_failure() -> None:
    async def serve(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await incoming.read(1)
        writer.write(reply("400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with reading() as read:
        with pytest.raises(SourceFailed, match="secure connection"):
            await read(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    server.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
async def test_read_https_with_an_unknown_certificate_is_a_failure(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -days 1"
    making = await asyncio.create_subprocess_exec(
        *request.split(), "-keyout", key, "-out", certificate, stderr=asyncio.subprocess.DEVNULL
    )
    assert await making.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with origin(sending(reply("200 OK", BODY)), tls=context) as server, reading() as read:
        with pytest.raises(SourceFailed, match="certificate"):
            await read(f"https://127.0.0.1:{server.port}/")
    assert server.requests == []


async def stall(_: str, writer: asyncio.StreamWriter) -> None:
    writer.write(reply("200 OK", b"abc", length=10))
    await writer.drain()
    await asyncio.Event().wait()


async def stall_before_the_head(_: str, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(_: str, writer: asyncio.StreamWriter) -> None:
    writer.write(reply("200 OK", b"", length=50_000))
    loop = asyncio.get_running_loop()
    while True:
        writer.write(b"a")
        await writer.drain()
        tick = loop.create_future()
        loop.call_later(0.02, tick.set_result, None)
        await tick


async def endless(_: str, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("answer", [stall, stall_before_the_head, drip])
async def test_read_slow_origin_is_a_timeout(
    answer: Callable[[str, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    loop = asyncio.get_running_loop()
    async with origin(answer) as server, reading(timeout=0.4) as read:
        began = loop.time()
        with pytest.raises(SourceTimeout):
            await read(server.url)
        assert loop.time() - began < 2


async def test_read_endless_chunked_body_is_cut_at_the_bound() -> None:
    async with origin(endless) as server, reading() as read:
        with pytest.raises(SourceTooLarge):
            await read(server.url)


async def test_read_admit_is_asked_for_the_announced_length_before_the_body() -> None:
    asked: list[int] = []

    async def admit(most: int) -> None:
        asked.append(most)

    async with origin(sending(reply("200 OK", BODY))) as server:
        reader = HttpReader(max_bytes=100_000, timeout=5, networks=LOOPBACK)
        await reader.read(parse_source_url(server.url), admit)
        await reader.close()
    async with origin(sending(CHUNKED + b"1\r\na\r\n0\r\n\r\n")) as server:
        reader = HttpReader(max_bytes=100_000, timeout=5, networks=LOOPBACK)
        await reader.read(parse_source_url(server.url), admit)
        await reader.close()
    assert asked == [len(BODY), 100_000]


async def test_read_admit_refusing_passes_its_own_error() -> None:
    async def admit(_: int) -> None:
        raise Overloaded

    async with origin(sending(reply("200 OK", BODY))) as server:
        reader = HttpReader(max_bytes=100_000, timeout=5, networks=LOOPBACK)
        with pytest.raises(Overloaded):
            await reader.read(parse_source_url(server.url), admit)
        await reader.close()


async def test_read_admit_waiting_does_not_count_towards_the_deadline() -> None:
    loop = asyncio.get_running_loop()

    async def admit(_: int) -> None:
        room = loop.create_future()
        loop.call_later(0.5, room.set_result, None)
        await room

    async with origin(sending(reply("200 OK", BODY))) as server:
        reader = HttpReader(max_bytes=100_000, timeout=0.3, networks=LOOPBACK)
        assert await reader.read(parse_source_url(server.url), admit) == BODY
        await reader.close()


async def test_read_cancelled_closes_its_connection() -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def serve(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        writer.write(reply("200 OK", b"a", length=10))
        await writer.drain()
        arrived.set()
        with suppress(ConnectionError):
            await incoming.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader = HttpReader(max_bytes=100, timeout=60, networks=LOOPBACK)
    source = parse_source_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    async with asyncio.timeout(5):
        task = asyncio.get_running_loop().create_task(reader.read(source, no_bound))
        await arrived.wait()
        task.cancel()
        await closed.wait()
    assert task.cancelled()
    await reader.close()
    server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "pictures.test"])
async def test_vet_allowed_source_passes_without_a_connection_to_it(host: str) -> None:
    zone = {"pictures.test": [["127.0.0.1"]]}
    async with origin(sending(reply("200 OK", BODY))) as server, nameserver(zone) as names:
        reader = HttpReader(max_bytes=9, timeout=5, networks=LOOPBACK, nameservers=[names.address])
        await reader.vet(parse_source_url(f"http://{host}:{server.port}/a.png"))
        await reader.close()
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "pictures.test"])
async def test_vet_private_address_or_name_of_one_is_refused(host: str) -> None:
    async with nameserver({"pictures.test": [["10.0.0.9"]]}) as names:
        reader = HttpReader(max_bytes=9, timeout=5, nameservers=[names.address])
        with pytest.raises(SourceRefused):
            await reader.vet(parse_source_url(f"http://{host}/a.png"))
        await reader.close()


async def test_vet_domain_not_allowed_is_refused() -> None:
    reader = HttpReader(max_bytes=9, timeout=5, allowed_domains=("a.b",))
    with pytest.raises(SourceRefused, match="domain"):
        await reader.vet(parse_source_url("http://pictures.test/a.png"))
    await reader.close()


async def test_close_before_any_read_is_harmless() -> None:
    await HttpReader(max_bytes=1, timeout=1).close()


def test_next_hop_from_https_to_http_is_refused() -> None:
    with pytest.raises(SourceRefused, match="https to http"):
        next_hop(parse_source_url("https://example.com/a"), "http://example.com/a")


def test_next_hop_upgrade_and_relative_addresses_are_resolved() -> None:
    plain = parse_source_url("http://example.com/a/b?q")
    assert next_hop(plain, "https://example.com/a").value == "https://example.com/a"
    assert next_hop(plain, "//other.example/c").value == "http://other.example/c"
    assert next_hop(plain, "?r").value == "http://example.com/a/b?r"
    assert next_hop(plain, "c d") == Source("url", "http://example.com/a/c%20d")
