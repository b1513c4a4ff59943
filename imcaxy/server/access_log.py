"""One line of JSON per request, without secrets."""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import orjson

from imcaxy.clock import Clock
from imcaxy.server.counters import Counters
from imcaxy.server.exchange import Ending, Exchange
from imcaxy.server.ready import Reply

LONGEST_TARGET = 2048  # characters; the rest of a longer target is left out
HIDDEN = "***"

_SECRETS = frozenset(
    {"sign", "signature", "sig", "key", "apikey", "api_key", "token", "access_token", "secret"}
    | {"password", "passwd", "auth", "authorization", "credential", "credentials"}
)
_ROUNDS = 4  # times that a value may be percent-encoded; what is deeper is not shown
_HARMLESS = re.compile(r"[A-Za-z0-9_.,:*-]*")
_USER_INFO = re.compile(r"//[^/?#\s\"']*@")
_INNER_QUERY = re.compile(r"[?#][^\s\"']*")
_PLAIN = "/:?&=*,;@+-._~!$'()[]|"  # characters of a shown value that stay as they are


class AccessLog:
    """Writes the line of each exchange to `emit`, which must not block."""

    def __init__(
        self, emit: Callable[[bytes], None], clock: Clock, counters: Counters | None = None
    ) -> None:
        """`counters` count what is logged."""
        self._emit = emit
        self._clock = clock
        self._counters = counters or Counters()
        self._millisecond = -1  # of wall time, and how lines have it
        self._time = b""

    def record_ready(self, reply: Reply, peer: bytes, ended: Ending, sent: int) -> None:
        """Write the same line for an answer of the fast lane; `peer` is JSON."""
        _, _, ready, status, request_id, started = reply
        self._counters.count(status, ready.log_cache, sent)
        wall = self._clock.wall()
        if (millisecond := int(wall * 1000)) != self._millisecond:
            self._millisecond, self._time = millisecond, b"%.3f" % wall
        what = ready.log_whole if status == 200 else ready.log_unchanged
        if ended != "whole":
            what = ready.log_as(status, sent)
        self._emit(
            b'{"time":%b,"id":"%b","peer":%b%b%.6f%b"%b"}\n'
            % (
                self._time,
                request_id,
                peer,
                what,
                self._clock.now() - started,
                ready.log_end,
                ended.encode(),
            )
        )

    def record(self, exchange: Exchange) -> None:
        """Write what the exchange was and how it ended."""
        self._counters.count(exchange.status, exchange.cache_status, exchange.sent)
        line = {
            "time": round(self._clock.wall(), 3),  # seconds since 1970 UTC, at the end
            "id": exchange.request_id,
            "peer": exchange.request.remote,
            "method": exchange.method,
            "target": redact(exchange.path, exchange.query),
            "status": exchange.status,
            "bytes": exchange.sent,  # of the body
            "seconds": round(self._clock.now() - exchange.started, 6),
            "cache": exchange.cache_status,
            "problem": exchange.problem,
            "ended": exchange.ended,
        }
        self._emit(orjson.dumps(line) + b"\n")  # a copy: orjson's own bytes take 4 KiB


def redact(path: str, query: str) -> str:
    """The target without secrets.

    Hidden are the values of parameters with a secret's name and, in any value that holds an
    address, its user-info and its query: signed links are passwords. Control characters stay
    percent-encoded.
    """
    target = quote(path, safe=_PLAIN + "%")
    if query:
        target += "?" + "&".join(_parameter(part) for part in query.split("&", 256))
    return target if len(target) <= LONGEST_TARGET else target[:LONGEST_TARGET] + "…"


def _parameter(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return _value(name)
    if _HARMLESS.fullmatch(name):  # nearly all: nothing in it to decode, or to encode
        return f"{name}={HIDDEN if name.casefold() in _SECRETS else _value(value)}"
    if unquote(name).strip().casefold() in _SECRETS:
        return f"{quote(name, safe=_PLAIN + '%')}={HIDDEN}"
    return f"{quote(name, safe=_PLAIN + '%')}={_value(value)}"


def _value(value: str) -> str:
    if _HARMLESS.fullmatch(value):
        return value
    plain = value
    for _round in range(_ROUNDS):
        decoded = unquote(plain)
        if decoded == plain:
            break
        plain = decoded
    else:
        return HIDDEN
    if "//" not in plain:
        return quote(value, safe=_PLAIN + "%")
    plain = _USER_INFO.sub(f"//{HIDDEN}@", plain)
    return quote(_INNER_QUERY.sub(f"?{HIDDEN}", plain), safe=_PLAIN)
