"""Names to checked addresses, with real look-ups."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest

from imcaxy.errors import SourceFailed, SourceRefused, SourceTimeout
from imcaxy.sources import resolving
from imcaxy.sources.addresses import Address, is_public
from imcaxy.sources.resolving import CheckedResolver, Lookup, NameserverLookup, SystemLookup
from tests.fakes.nameserver import nameserver


async def test_addresses_of_given_nameserver_are_all_of_both_families() -> None:
    zone = {"a.test": [["1.1.1.1", "8.8.8.8", "2606:4700::1111"]], "alias.test": [["=a.test"]]}
    expected = {IPv4Address("1.1.1.1"), IPv4Address("8.8.8.8"), IPv6Address("2606:4700::1111")}
    async with nameserver(zone) as server:
        lookup = NameserverLookup([server.address])
        assert set(await lookup.addresses("a.test")) == expected
        assert set(await lookup.addresses("alias.test")) == expected
        await lookup.close()


async def test_addresses_of_given_nameserver_are_asked_for_again_each_time() -> None:
    async with nameserver({"a.test": [["1.1.1.1"], ["8.8.8.8"]]}) as server:
        lookup = NameserverLookup([server.address])
        assert await lookup.addresses("a.test") == [IPv4Address("1.1.1.1")]
        assert await lookup.addresses("a.test") == [IPv4Address("8.8.8.8")]


async def test_addresses_localhost_is_not_taken_from_the_hosts_file() -> None:
    async with nameserver({}) as server:
        with pytest.raises(SourceFailed):
            await NameserverLookup([server.address]).addresses("localhost")


@pytest.mark.parametrize("name", ["none.test", "empty.test", "failing.test", "a" * 64 + ".test"])
async def test_resolve_name_without_address_is_a_failure(name: str) -> None:
    async with nameserver({"empty.test": [[]], "failing.test": [["failure"]]}) as server:
        resolver = CheckedResolver(NameserverLookup([server.address]), is_public)
        with pytest.raises(SourceFailed) as caught:
            await resolver.resolve(name, 80)
        assert caught.value.value == name


async def test_resolve_silent_nameserver_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "LOOKUP_TIMEOUT", 0.1)
    async with nameserver({"a.test": [["silence"]]}) as server:
        resolver = CheckedResolver(NameserverLookup([server.address]), is_public)
        with pytest.raises(SourceTimeout):
            await resolver.resolve("a.test", 80)


async def test_resolve_public_name_gives_numeric_addresses() -> None:
    async with nameserver({"a.test": [["1.1.1.1", "2606:4700::1111"]]}) as server:
        resolver = CheckedResolver(NameserverLookup([server.address]), is_public)
        both = await resolver.resolve("a.test", 8080)
        assert {(found["host"], found["port"], found["family"]) for found in both} == {
            ("1.1.1.1", 8080, socket.AF_INET),
            ("2606:4700::1111", 8080, socket.AF_INET6),
        }
        only = await resolver.resolve("a.test", 80, socket.AF_INET)
        assert [found["host"] for found in only] == ["1.1.1.1"]


@pytest.mark.parametrize("other", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1"])
async def test_resolve_public_and_forbidden_together_is_refused(other: str) -> None:
    async with nameserver({"a.test": [["1.1.1.1", other, "2606:4700::1111"]]}) as server:
        resolver = CheckedResolver(NameserverLookup([server.address]), is_public)
        with pytest.raises(SourceRefused) as caught:
            await resolver.resolve("a.test", 80)
        assert other not in str(caught.value.to_record())  # nobody learns inner addresses


async def test_resolve_no_addresses_at_all_is_a_failure() -> None:
    class Nothing(Lookup):
        async def addresses(self, host: str) -> Sequence[Address]:
            return []

        async def close(self) -> None:
            pass

    with pytest.raises(SourceFailed):
        await CheckedResolver(Nothing(), is_public).resolve("a.test", 80)


async def test_resolve_by_the_system_localhost_is_refused() -> None:
    resolver = CheckedResolver(SystemLookup(), is_public)
    with pytest.raises(SourceRefused):
        await resolver.resolve("localhost", 80)
    await resolver.close()


async def test_resolve_by_the_system_what_no_name_can_be_is_a_failure() -> None:
    resolver = CheckedResolver(SystemLookup(), is_public)
    for name in ("a" * 64, "a..b"):
        with pytest.raises(SourceFailed):
            await resolver.resolve(name, 80)
    await resolver.close()


async def test_addresses_by_the_system_leave_the_shared_threads_alone() -> None:
    lookup = SystemLookup()
    blocked, release = threading.Barrier(resolving.LOOKUP_THREADS + 1), threading.Event()

    def block() -> None:
        blocked.wait()
        release.wait()

    for _ in range(resolving.LOOKUP_THREADS):
        lookup._threads.submit(block)
    await asyncio.to_thread(blocked.wait)  # every look-up thread is taken, this one is not
    release.set()
    await lookup.close()
