"""Fetching sources over HTTP without being led to where this server must not go.

Three walls stand before a connection, each enough alone: the name's domain and form (the grammar),
every address that the name resolves to (`CheckedResolver`), and, in case a way around those is
found, the address that a socket is about to be connected to (`_checked_socket`). Redirects are
followed by hand, so each hop passes all three. No proxy, cookie or credential is ever used.
"""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from types import SimpleNamespace
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

import imcaxy
from imcaxy.errors import SourceFailed, SourceMalformed, SourceMissing, SourceRefused
from imcaxy.grammar.source import Source, parse_source_url, source_domain_allowed
from imcaxy.kept_connections import asked, noting_reuse
from imcaxy.sources.addresses import Address, Network, is_allowed
from imcaxy.sources.answer import check_answer, read_body
from imcaxy.sources.base import Admit, Note, SourceReader, Validators
from imcaxy.sources.fetch_errors import FAILURES, ForbiddenAddressError, translated
from imcaxy.sources.resolving import (
    CheckedResolver,
    NameserverLookup,
    SystemLookup,
    refused,
)

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110 section 15.4; 300 and 304 are no moves
CONNECTIONS = 64  # open at once; further reads wait within their own deadline
CONNECTIONS_PER_ORIGIN = 32  # many sites have one origin for all pictures
CONNECT_TIMEOUT = 5.0  # seconds for one address, TLS handshake included
LONGEST_VALIDATOR = 200  # characters
STALL_TIMEOUT = 5.0  # seconds without a byte
_HEADERS = {
    "User-Agent": f"Imcaxy/{imcaxy.__version__}",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    # A cache before the origin must not hand out what was just purged (design 6.8).
    "Cache-Control": "no-cache",
}


class HttpReader(SourceReader):
    """Reads sources of kind "url".

    `timeout` bounds the whole of a read in seconds, redirects included; one connection attempt and
    one silence have at most half of it. `allowed_domains` and the address rules hold on every hop.
    Without `nameservers` (address and port of each) names are looked up as the machine does it.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        timeout: float,
        allowed_domains: Sequence[str] = ("*",),
        networks: Sequence[Network] = (),
        dev: bool = False,
        nameservers: Sequence[tuple[Address, int]] = (),
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._domains = tuple(allowed_domains)
        self._networks = tuple(networks)
        self._dev = dev
        self._nameservers = tuple(nameservers)  # address and port
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None  # a new connection for each request
        self._resolver: CheckedResolver | None = None

    async def read(self, source: Source, admit: Admit, note: Note | None = None) -> bytes:
        """The whole body of the source's URL.

        Raises SourceRefused for a forbidden hop, SourceMissing, SourceFailed, SourceTimeout and
        SourceTooLarge.
        """
        try:
            async with (
                asyncio.timeout(self._timeout) as deadline,
                self._answered(source, {}) as response,
            ):
                most = check_answer(response, self._max_bytes)
                if note is not None:
                    note(_validators(response))
                await _admitted(admit, most, deadline)
                return await read_body(response, self._max_bytes)
        except FAILURES as error:
            raise translated(error, source.host) from error

    async def has_changed(self, source: Source, known: Validators, digest: str) -> bool:
        """Whether the source is another one by now, or gone; `digest` is its bytes' SHA-256.

        One conditional request (RFC 9110 §13.1): 304 is no, and so are the same bytes again.
        Raises SourceError when the origin does not tell.
        """
        fields = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        asking = {name: value for name, value in fields.items() if value}
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._answered(source, asking) as response,
            ):
                if response.status == 304:
                    return False
                check_answer(response, self._max_bytes)
                body = await read_body(response, self._max_bytes)
        except SourceMissing:
            return True
        except FAILURES as error:
            raise translated(error, source.host) from error
        return hashlib.sha256(body).hexdigest() != digest

    async def vet(self, source: Source) -> None:
        """Return when this URL may be fetched by whoever asks: domain and every address of it.

        For processors that fetch by themselves, which then look the name up again and follow
        redirects on their own: their network must hold them back too. Raises SourceError.
        """
        self._check(source)
        self._open()
        if _literal(source.host) is None and self._resolver is not None:
            await self._resolver.resolve(source.host)

    async def close(self) -> None:
        """Close every connection."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        if self._resolver is not None:
            await self._resolver.close()

    @contextlib.asynccontextmanager
    async def _answered(
        self, source: Source, fields: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The first answer that leads no further; `fields` are sent on every hop."""
        for _ in range(MAX_REDIRECTS + 1):
            self._check(source)
            get = partial(_get, URL(source.value, encoded=True), fields)
            async with await asked(*self._open(), get) as response:
                if response.status not in REDIRECTS:
                    yield response
                    return
                source = next_hop(source, response.headers.get("Location"))
        raise SourceFailed(
            "The source's server redirects too often.",
            value=source.host,
            accepted=f"at most {MAX_REDIRECTS} redirects",
        )

    def _check(self, source: Source) -> None:
        host = source.host
        if not source_domain_allowed(host, self._domains):
            raise SourceRefused(
                "The source's domain is not allowed.",
                value=host,
                accepted="a domain in IMCAXY_ALLOWED_DOMAINS",
            )
        address = _literal(host)  # of a name, they are checked when they are known
        if address is not None and not self._allowed(address):
            raise refused(host)

    def _allowed(self, address: Address) -> bool:
        return is_allowed(address, self._networks, dev=self._dev)

    def _open(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        if self._pooled is None or self._fresh is None:
            lookup = NameserverLookup(self._nameservers) if self._nameservers else SystemLookup()
            self._resolver = CheckedResolver(lookup, self._allowed)
            self._pooled = self._session(self._resolver, keeping=True)
            self._fresh = self._session(self._resolver, keeping=False)
        return self._pooled, self._fresh

    def _session(self, resolver: CheckedResolver, *, keeping: bool) -> aiohttp.ClientSession:
        half = self._timeout / 2
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=resolver,
                use_dns_cache=False,  # an answer is checked and used once, never kept
                socket_factory=self._checked_socket,
                limit=CONNECTIONS,
                limit_per_host=CONNECTIONS_PER_ORIGIN,
                force_close=not keeping,
            ),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(
                total=None,  # the whole read has one deadline, in `read`
                sock_connect=min(CONNECT_TIMEOUT, half),
                sock_read=min(STALL_TIMEOUT, half),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[noting_reuse()],
        )

    def _checked_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for exactly this address; aiohttp connects it to the same `info`."""
        family, kind, protocol, _, destination = info
        if not self._allowed(ip_address(str(destination[0]))):
            raise ForbiddenAddressError
        return socket.socket(family, kind, protocol)


def _literal(host: str) -> Address | None:
    """The address that a URL's host is, None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


async def _get(
    url: URL,
    fields: Mapping[str, str],
    session: aiohttp.ClientSession,
    connection: SimpleNamespace,
) -> aiohttp.ClientResponse:
    return await session.get(
        url, headers=fields, allow_redirects=False, trace_request_ctx=connection
    )


def _validators(response: aiohttp.ClientResponse) -> Validators:
    """What the answer can be asked for again by; a validator that is too long is none."""
    found = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return Validators(*(text if len(text) <= LONGEST_VALIDATOR else "" for text in found))


async def _admitted(admit: Admit, most: int, deadline: asyncio.Timeout) -> None:
    """Wait for room without counting the wait: a full server is not the origin's fault."""
    loop = asyncio.get_running_loop()
    left = (deadline.when() or loop.time()) - loop.time()
    deadline.reschedule(None)
    await admit(most)
    deadline.reschedule(loop.time() + left)


def next_hop(source: Source, location: str | None) -> Source:
    """Where a redirect of `source` leads.

    Raises SourceFailed when that cannot be read, SourceRefused when it is no http or https URL,
    names a user, or leaves https for http.
    """
    host = source.host
    if not location:
        raise SourceFailed("The source's server redirects to nowhere.", value=host)
    try:
        target = urljoin(source.value, location)
        if urlsplit(target).scheme not in ("http", "https"):
            raise SourceRefused(
                "The source's server redirects to something other than a web address.",
                value=host,
                accepted="http or https",
            )
        following = parse_source_url(target)
    except (SourceMalformed, ValueError) as error:
        raise SourceFailed(
            "The source's server redirects to an address that cannot be read.", value=host
        ) from error
    if source.value.startswith("https:") and not following.value.startswith("https:"):
        raise SourceRefused(
            "The source's server redirects from https to http.", value=host, accepted="https"
        )
    return following
