"""Names to addresses, every one of them checked before a connection can be made."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from imcaxy.errors import SourceFailed, SourceRefused, SourceTimeout
from imcaxy.sources.addresses import Address

LOOKUP_THREADS = 16  # getaddrinfo blocks, and a thread in it cannot be stopped
LOOKUP_TIMEOUT = 5.0  # seconds for one name


class Lookup(Protocol):
    """Every address that a name has."""

    async def addresses(self, host: str) -> Sequence[Address]:
        """The addresses; SourceFailed when there are none."""
        ...

    async def close(self) -> None:
        """Release what is open."""
        ...


class SystemLookup(Lookup):
    """Asks the machine's own resolver (`getaddrinfo`: hosts file, search list, caches).

    Runs in threads of its own, so that slow answers take none from the rest of the program.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="imcaxy-dns")

    async def addresses(self, host: str) -> Sequence[Address]:
        """The addresses that the machine's resolver gives."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _getaddrinfo, host)
        except (OSError, UnicodeError) as error:
            raise _unresolved(host) from error
        return [ip_address(text) for text in dict.fromkeys(found)]

    async def close(self) -> None:
        """Let the threads end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(address[0]) for _, _, _, _, address in found]


class NameserverLookup(Lookup):
    """Asks the given DNS servers and nothing else: no hosts file, no search list, no cache."""

    def __init__(self, nameservers: Sequence[tuple[Address, int]]) -> None:
        # Here, because a tenth of the start would go to what most servers never use.
        import dns.asyncresolver  # noqa: PLC0415 - see above
        import dns.exception  # noqa: PLC0415 - see above
        import dns.nameserver  # noqa: PLC0415 - see above

        self._failures = (dns.exception.DNSException, OSError)
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = [
            dns.nameserver.Do53Nameserver(str(address), port) for address, port in nameservers
        ]
        self._resolver.lifetime = 2 * LOOKUP_TIMEOUT  # CheckedResolver has the deadline

    async def addresses(self, host: str) -> Sequence[Address]:
        """The A and AAAA records of the name."""
        kinds = (socket.AF_INET6, socket.AF_INET)
        try:
            answers = await self._resolver.resolve_name(host, search=False)
            return [ip_address(text) for kind in kinds for text in answers.addresses(kind)]
        except self._failures as error:
            raise _unresolved(host) from error

    async def close(self) -> None:
        """Nothing is kept open between two look-ups."""


class CheckedResolver(AbstractResolver):
    """The addresses of a name, or SourceRefused when any one of them may not be connected to.

    A single forbidden address refuses the whole name: nobody's picture server is at a public and a
    loopback address at once, but a rebinding attack is. The answer is used for this connection
    only; the next one asks again and is checked again.
    """

    def __init__(self, lookup: Lookup, allowed: Callable[[Address], bool]) -> None:
        self._lookup = lookup
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """What aiohttp connects to, all of it checked."""
        addresses = await _within(self._lookup.addresses(host), host)
        if not addresses:
            raise _unresolved(host)
        if not all(self._allowed(address) for address in addresses):
            raise refused(host)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=_family(address),
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
            if family in (socket.AF_UNSPEC, _family(address))
        ]

    async def close(self) -> None:
        """Close the lookup."""
        await self._lookup.close()


async def _within(answer: Awaitable[Sequence[Address]], host: str) -> Sequence[Address]:
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            return await answer
    except TimeoutError as error:
        raise SourceTimeout(
            "The name of the source's server could not be looked up in time.", value=host
        ) from error


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _unresolved(host: str) -> SourceFailed:
    return SourceFailed("The source's server has no address: its name is unknown.", value=host)


def refused(host: str) -> SourceRefused:
    """The error for a host whose address is not allowed; never says which address it has."""
    return SourceRefused(
        "The source's server is at an address that this server does not connect to.",
        value=host,
        accepted="servers on the public internet, or in IMCAXY_ALLOWED_NETWORKS",
    )
