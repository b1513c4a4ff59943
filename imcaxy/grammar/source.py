"""The original image that a request names."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from imcaxy.errors import SourceMalformed, SourceRefused
from imcaxy.grammar.host import canonical_host, source_domain_allowed
from imcaxy.grammar.text import legible

__all__ = ["Source", "parse_source_file", "parse_source_url", "source_domain_allowed"]

LONGEST = 8 * 1024  # bytes of a source's canonical name

_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[.*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986 §3.3 and §3.4: what may stand unescaped; `%` because escapes are kept as they are.
_PATH_BYTES = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/%"
)
_QUERY_BYTES = _PATH_BYTES | frozenset(b"?")


class UrlParts(NamedTuple):
    """A canonical source URL, taken apart; `port` is None when it is the scheme's own."""

    scheme: str
    host: str  # as canonical_host spells it; IPv6 in brackets
    port: int | None
    path: str  # percent-encoded as requested
    query: str  # with its `?`, or empty


@dataclass(frozen=True, slots=True)
class Source:
    """An original, by the exact name that it is fetched under.

    Two sources are equal exactly when one download serves both.
    """

    kind: Literal["url", "file", "body"]
    value: str  # url: absolute http(s) URL as it is requested; file: path below the source
    # directory; body: a name that is used once

    @property
    def host(self) -> str:
        """The host of a URL as canonical_host spells it; empty for a file."""
        return split_source_url(self.value).host if self.kind == "url" else ""


def parse_source_url(text: str) -> Source:
    """The source that an absolute http or https URL names, in one spelling.

    Scheme and host are lower-cased, the host made ASCII (`canonical_host`), the default port and
    the fragment dropped, an empty path is `/`. Path and query keep their percent-encoding; bytes
    that RFC 3986 does not allow there are escaped, and so is a `%` in the query that begins no
    escape. Dot segments are left alone: only the origin knows what they mean.

    Raises SourceMalformed (also for control characters, backslashes, and more than 8 KiB) and
    SourceRefused for a URL that carries a user name or password.
    """
    parts = split_source_url(text)
    port = "" if parts.port is None else f":{parts.port}"
    value = f"{parts.scheme}://{parts.host}{port}{parts.path}{parts.query}"
    if len(value) > LONGEST:
        raise _malformed("The source address is too long.", text, f"at most {LONGEST} bytes")
    return Source("url", value)


def split_source_url(text: str) -> UrlParts:
    """The canonical parts of a source URL; raises as `parse_source_url`."""
    if len(text) > LONGEST:
        raise _malformed("The source address is too long.", text, f"at most {LONGEST} bytes")
    if _REFUSED.search(text):
        raise _malformed(
            "The source address holds a control character or a backslash.",
            text,
            "such characters percent-encoded",
        )
    match = _URL.fullmatch(text)
    if match is None:
        raise _malformed(
            "The source address does not begin with http:// or https://.",
            text,
            "https://host/path",
        )
    scheme = match[1].lower()
    host, port = _authority(match[2], text)
    if _BAD_ESCAPE.search(match[3]):
        raise _malformed(
            "The source address has a broken percent escape.", text, "%25 for a percent sign"
        )
    query = _BAD_ESCAPE.sub("%25", match[4] or "")
    return UrlParts(
        scheme,
        host,
        None if port == _DEFAULT_PORTS[scheme] else port,
        _escape(match[3], _PATH_BYTES, text) or "/",
        _escape(query, _QUERY_BYTES, text),
    )


def parse_source_file(text: str) -> Source:
    """The source that a path below the source directory names, in one spelling.

    A leading `/` is harmless; empty and dot segments are resolved by name. The value has been
    percent-decoded once, by the query string, and is not decoded again as Imaginary does: a file
    called `100%25.jpg` can be named, and there is one meaning to check.

    Raises SourceMalformed (NUL, control characters, backslashes, bytes that are not UTF-8, more
    than 8 KiB, nothing left) and SourceRefused for a path that leads out of the directory.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _malformed("The source path is not UTF-8.", text, "a path in UTF-8") from None
    if size > LONGEST:
        raise _malformed("The source path is too long.", text, f"at most {LONGEST} bytes")
    if _REFUSED.search(text):
        raise _malformed(
            "The source path holds a control character or a backslash.",
            text,
            "segments divided by /",
        )
    segments: list[str] = []
    for segment in text.split("/"):
        if segment == "..":
            if not segments:
                raise SourceRefused(
                    "The source path leads out of the source directory.",
                    value=legible(text),
                    accepted="a path below the source directory",
                )
            segments.pop()
        elif segment not in {"", "."}:
            segments.append(segment)
    if not segments:
        raise _malformed("The source path names no file.", text, "a path below the directory")
    return Source("file", "/".join(segments))


def _authority(text: str, url: str) -> tuple[str, int | None]:
    if "@" in text:
        raise SourceRefused(
            "The source address carries a user name or password.",
            accepted="an address without user information",
        )
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[1]:
        raise _malformed("The source address has no valid host.", url, "//host or //host:port")
    port = int(match[2]) if match[2] else None
    if port is not None and not 1 <= port <= 65535:
        raise _malformed("The source address has no valid port.", url, "a port from 1 to 65535")
    return canonical_host(match[1]), port


def _escape(text: str, allowed: frozenset[int], url: str) -> str:
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _malformed("The source address has no bytes.", url, "an address in UTF-8") from None
    return "".join(chr(octet) if octet in allowed else f"%{octet:02X}" for octet in octets)


def _malformed(detail: str, value: str, accepted: str) -> SourceMalformed:
    return SourceMalformed(detail, value=legible(value), accepted=accepted)
