"""Nothing that a source URL, a redirect or a DNS answer says leads to a forbidden address.

The forbidden target is a listener on this machine's loopback addresses that records every
connection; the server's own origin is on a loopback address too, opened by name of its network.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import aiohttp
import pytest

from imcaxy.errors import (
    ImcaxyError,
    SourceError,
    SourceFailed,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
)
from imcaxy.grammar.source import Source, parse_source_url
from imcaxy.sources.fetching import HttpReader
from tests.fakes.nameserver import Zone, nameserver
from tests.fakes.origin import origin, redirect, reply, sending

ORIGIN = "127.7.7.7"  # the one loopback address that the tests open
OPENED = (ip_network(f"{ORIGIN}/32"),)
NO_PUBLIC = (SourceFailed, SourceTimeout)  # what fetching from the real internet comes to here


class Target:
    """Everything that reached the forbidden listeners."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections: list[str] = []


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections.append(str(writer.get_extra_info("peername")))
        writer.write(reply("200 OK", b"secret"))
        writer.close()

    # 0.0.0.0 covers all of 127/8, so every loopback spelling would arrive.
    first = await asyncio.start_server(accept, "0.0.0.0", 0, family=socket.AF_INET)
    found = Target(first.sockets[0].getsockname()[1])
    servers = [first]
    with suppress(OSError):  # a machine without IPv6
        servers.append(await asyncio.start_server(accept, "::1", found.port))
    yield found
    for server in servers:
        server.close()
    assert found.connections == []


async def no_bound(_: int) -> None:
    """Admit anything."""


@asynccontextmanager
async def reading(zone: Zone | None = None, *, dev: bool = False) -> AsyncIterator[HttpReader]:
    async with nameserver(zone or {}) as server:
        reader = HttpReader(
            max_bytes=1000,
            timeout=2,
            networks=OPENED,
            nameservers=(server.address,) if zone else (),
            dev=dev,
        )
        try:
            yield reader
        finally:
            await reader.close()


async def fetch(reader: HttpReader, url: str) -> bytes:
    return await reader.read(parse_source_url(url), no_bound)


HOSTS = [
    "127.0.0.1",
    "127.1.2.3",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127.0.0.01",
    "１２７.0.0.1",  # noqa: RUF001 - full-width digits become ASCII ones
    "127。0。0。1",
    "①②⑦.0.0.1",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "169.254.169.254",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%lo]",
    "[::1%251]",
    "127.0.0.1%00.example.com",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "user:secret@127.0.0.1",
    "127.0.0.1#@example.com",
    "127.0.0.1\\@example.com",
    "example.com\\@127.0.0.1",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_fetch_forbidden_host_never_connects(target: Target, host: str) -> None:
    authority, mark, rest = host.partition("#")
    url = f"http://{authority}:{target.port}{mark}{rest}/x"
    async with reading() as reader:
        with pytest.raises((SourceMalformed, SourceRefused)):
            await fetch(reader, url)


@pytest.mark.parametrize("host", HOSTS)
async def test_fetch_redirect_to_forbidden_host_never_connects(target: Target, host: str) -> None:
    location = f"http://{host}:{target.port}/x" if "#" not in host else f"http://{host}/x"
    async with (
        origin(sending(redirect(location)), ORIGIN) as server,
        reading() as reader,
    ):
        with pytest.raises((SourceRefused, SourceFailed)):
            await fetch(reader, f"http://{ORIGIN}:{server.port}/")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:{port}/_GET",
        "data:,x",
        "javascript:alert(1)",
        "//127.0.0.1:{port}/",
        "///127.0.0.1:{port}/",
        "http:/\\127.0.0.1:{port}/",
        "http:\\\\127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
        "\thttp://127.0.0.1:{port}/",
        "ht\ttp://127.0.0.1:{port}/",
        "HTTP://LOCALHOST:{port}/",
        "https://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "//[::1]:{port}/",
        "//127.0.0.1:{port}\r\nX: y",
    ],
)
async def test_fetch_redirect_of_any_form_never_connects(target: Target, location: str) -> None:
    answer = redirect(location.format(port=target.port))
    async with origin(sending(answer), ORIGIN) as server, reading() as reader:
        with pytest.raises(SourceError):
            await fetch(reader, f"http://{ORIGIN}:{server.port}/")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.1.2.3"],
        ["0.0.0.0"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::"],
        ["::ffff:127.0.0.1"],
        ["::127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fd00:ec2::254"],
        ["fe80::1"],
        ["=inner.test"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "::1"],
        ["2606:4700::1111", "127.0.0.1"],
        [ORIGIN, "127.0.0.1"],
    ],
)
async def test_fetch_name_with_a_forbidden_address_never_connects(
    target: Target, addresses: list[str]
) -> None:
    zone = {"evil.test": [addresses], "inner.test": [["127.0.0.1"]]}
    async with reading(zone) as reader:
        with pytest.raises(SourceRefused):
            await fetch(reader, f"http://evil.test:{target.port}/")
        with pytest.raises(SourceRefused):
            await fetch(reader, f"https://evil.test:{target.port}/")


async def test_fetch_name_that_is_rebound_never_connects_to_the_new_address(
    target: Target,
) -> None:
    zone = {"evil.test": [["8.8.8.8"], ["127.0.0.1"]]}
    async with reading(zone) as reader:
        with pytest.raises(NO_PUBLIC):
            await fetch(reader, f"http://evil.test:{target.port}/")
        for _ in range(3):
            with pytest.raises(SourceRefused):
                await fetch(reader, f"http://evil.test:{target.port}/")


async def test_fetch_resolves_once_for_each_connection(target: Target) -> None:
    zone = {"evil.test": [[ORIGIN], ["127.0.0.1"]]}
    async with (
        nameserver(zone) as names,
        origin(sending(reply("200 OK", b"whole", "Connection: close")), ORIGIN) as server,
    ):
        reader = HttpReader(
            max_bytes=1000, timeout=2, networks=OPENED, nameservers=(names.address,)
        )
        assert await fetch(reader, f"http://evil.test:{server.port}/") == b"whole"
        assert names.asked == {("evil.test", "A"): 1, ("evil.test", "AAAA"): 1}
        with pytest.raises(SourceRefused):
            await fetch(reader, f"http://evil.test:{target.port}/")
        await reader.close()
    assert server.connections == 1


async def test_fetch_redirect_to_a_rebound_name_never_connects(target: Target) -> None:
    zone = {"evil.test": [[ORIGIN], ["127.0.0.1"]]}
    answer = redirect(f"http://evil.test:{target.port}/")
    async with origin(sending(answer), ORIGIN) as server, reading(zone) as reader:
        with pytest.raises(SourceRefused):
            await fetch(reader, f"http://evil.test:{server.port}/")
        assert server.connections == 1


async def test_fetch_proxy_of_the_environment_is_not_used(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{target.port}")
    async with (
        origin(sending(reply("200 OK", b"whole")), ORIGIN) as server,
        reading() as reader,
    ):
        assert await fetch(reader, f"http://{ORIGIN}:{server.port}/") == b"whole"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"])
async def test_fetch_socket_wall_alone_stops_a_forbidden_literal(target: Target, host: str) -> None:
    """aiohttp asks no resolver about literals: without our own check the last wall must hold."""
    async with reading() as reader:
        for session in reader._open():
            with pytest.raises((aiohttp.ClientError, OSError, ImcaxyError)):
                async with session.get(f"http://{host}:{target.port}/"):
                    pass


async def test_fetch_socket_wall_error_is_refused(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading() as reader:
        monkeypatch.setattr(reader, "_check", lambda _: None)  # the first wall is gone
        with pytest.raises(SourceRefused):
            await fetch(reader, f"http://127.0.0.1:{target.port}/")


async def test_fetch_literal_wall_alone_stops_a_forbidden_literal(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(info: aiohttp.AddrInfoType) -> socket.socket:
        return socket.socket(*info[:3])

    async with reading() as reader:
        monkeypatch.setattr(reader, "_checked_socket", unchecked)  # the last wall is gone
        with pytest.raises(SourceRefused):
            await fetch(reader, f"http://127.0.0.1:{target.port}/")


async def test_fetch_dev_opens_loopback_and_keeps_metadata_closed() -> None:
    async with origin(sending(reply("200 OK", b"whole"))) as server, reading(dev=True) as reader:
        assert await fetch(reader, f"{server.url}/") == b"whole"
        for host in ("169.254.169.254", "0.0.0.0", "[fe80::1]"):
            with pytest.raises(SourceRefused):
                await fetch(reader, f"http://{host}:{server.port}/")


async def test_fetch_source_that_passed_no_grammar_never_connects(target: Target) -> None:
    async with reading() as reader:
        for host in ("127.0.0.1", "2130706433", "127.1", "[fe80::1%lo]", "a@127.0.0.1"):
            with pytest.raises(SourceError):
                await reader.read(Source("url", f"http://{host}:{target.port}/"), no_bound)
