"""Host names and addresses in the one spelling that everything else compares."""

import ipaddress
import re
from collections.abc import Sequence

import idna

from imcaxy.errors import SourceMalformed
from imcaxy.grammar.text import legible

LONGEST = 253  # characters of a host name, RFC 1035 §2.3.4

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def canonical_host(text: str) -> str:
    """The host lower-cased, in ASCII (IDNA 2008 with UTS 46), without a final dot.

    An IPv6 address keeps its brackets and is compressed as RFC 5952 says. IPv4 is accepted in its
    usual spelling only: what inet_aton reads besides (`2130706433`, `0177.0.0.1`, `127.1`) is how
    address checks are slipped past. Scope ids are refused. Raises SourceMalformed.
    """
    if text.startswith("["):
        return _ipv6(text)
    host = _ascii(text.lower()).removesuffix(".")
    if len(host) > LONGEST or not _NAME.fullmatch(host):
        raise _malformed(text, "a host name or an IP address")
    if _ENDS_IN_NUMBER.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _malformed(text, "an IPv4 address as four decimal numbers") from None
    return host


def source_domain_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Whether one of the allowed domains covers the host.

    `*` covers every host, `*.example.com` example.com and everything below it, anything else
    exactly itself; case and IDNA spelling do not matter. What cannot be read covers nothing.
    """
    try:
        name = canonical_host(host)
    except SourceMalformed:
        return False
    return any(_covers(pattern.strip(), name) for pattern in allowed)


def _covers(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    try:
        domain = canonical_host(pattern.removeprefix("*."))
    except SourceMalformed:
        return False
    return name == domain or (pattern.startswith("*.") and name.endswith(f".{domain}"))


def _ascii(host: str) -> str:
    # Names that are ASCII already are not held to IDNA: `_` and `r3---x` occur in real ones.
    if host.isascii():
        return host
    if len(host) > LONGEST:
        raise _malformed(host, f"a host name of at most {LONGEST} characters")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:
        raise _malformed(host, "a host name that IDNA 2008 allows") from None


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text[1:].removesuffix("]") if text.endswith("]") else "")
    except ValueError:
        raise _malformed(text, "an IPv6 address in brackets") from None
    if address.scope_id is not None:
        raise _malformed(text, "an IPv6 address without a scope id")
    mapped = address.ipv4_mapped  # Python versions disagree on how these are written
    return f"[{f'::ffff:{mapped}' if mapped else address.compressed}]"


def _malformed(text: str, accepted: str) -> SourceMalformed:
    return SourceMalformed(
        "The host of the source address is not one that we can read.",
        value=legible(text),
        accepted=accepted,
    )
