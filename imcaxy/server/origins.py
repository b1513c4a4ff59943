"""Which pages may use this server, and what their browsers are told (CORS). Pure."""

from urllib.parse import urlsplit

import idna

from imcaxy.errors import OriginRefused

Fields = list[tuple[str, str]]

_EXPOSED = (
    "Accept-Ranges, Age, Cache-Status, Content-Length, Content-Range, Date, ETag, Retry-After, "
    "X-Request-Id"
)
_ACCEPTED = (
    "Accept, Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, "
    "If-None-Match, If-Range, If-Unmodified-Since, Pragma, Range, Save-Data, X-Request-Id"
)
PREFLIGHT_AGE = 86400  # seconds that a browser may remember a preflight


class Origins:
    """The hosts of pages that are let in: exact, `*.example.com` for what is below, `*` for all.

    Hosts are compared without case, in their IDNA form; scheme and port do not matter. A request
    without `Origin` passes: an `<img>` sends none.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        names = [_host(name) for name in allowed]
        self._all = "*" in names
        self._exact = frozenset(name for name in names if not name.startswith("*"))
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self.vary: tuple[str, ...] = () if self._all else ("Origin",)

    def allows(self, origin: str | None) -> bool:
        """Whether a request with this `Origin` may be answered."""
        if origin is None or self._all:
            return True
        host = _host(origin) if "://" in origin else ""
        return bool(host) and (host in self._exact or host.endswith(self._below or ("\0",)))

    def check(self, origin: str | None) -> None:
        """Return when the origin is allowed; raises OriginRefused that names it."""
        if not self.allows(origin):
            raise OriginRefused(
                "Pages of this origin may not use this server.",
                value=origin,
                accepted="an origin that the operator has put on the list",
            )

    def fields(self, origin: str | None) -> Fields:
        """The fields that let an allowed page read the answer; none for a refused one."""
        if self._all:
            granted = "*"
        elif origin is not None and self.allows(origin):
            granted = origin.strip()
        else:
            return []
        return [
            ("Access-Control-Allow-Origin", granted),
            ("Access-Control-Expose-Headers", _EXPOSED),
            ("Timing-Allow-Origin", granted),
        ]

    def preflight(self, origin: str | None, methods: str) -> Fields:
        """The fields that answer a preflight for these methods."""
        granted = self.fields(origin)
        if not granted:
            return []
        return [
            granted[0],
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _ACCEPTED),
            ("Access-Control-Max-Age", str(PREFLIGHT_AGE)),
        ]


def _host(name: str) -> str:
    """The host of an origin or of a setting's entry, comparable; empty when it has none."""
    text = name.strip().casefold()
    if text.startswith("*"):
        return text if text == "*" else "*." + _host(text.removeprefix("*").lstrip("."))
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    if host.isascii():
        return host.rstrip(".")
    try:
        return idna.encode(host.rstrip("."), uts46=True).decode()
    except idna.IDNAError:
        return ""
