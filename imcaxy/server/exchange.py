"""One request and what became of its answer: all that the log will say of it."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict, MultiMapping

from imcaxy.server.conditionals import Conditions

Ending = Literal["whole", "cut", "client-left"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
_ID_BYTES = 12
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class RequestIds:
    """Gives ids that do not come again: 12 random bytes each, as hex."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0

    def __call__(self) -> str:
        """A new one."""
        if self._at >= len(self._text):  # the kernel is asked once for many
            self._text, self._at = os.urandom(_ID_BYTES * 256).hex(), 0
        start = self._at
        self._at = start + 2 * _ID_BYTES
        return self._text[start : self._at]


def chosen_id(given: str | None) -> str | None:
    """The request's own id, if it is one that can be logged and sent back."""
    return given if given is not None and _ID.fullmatch(given) else None


@dataclass(slots=True)
class Exchange:
    """A request as plain values, and the outcome that `answers` and `application` note down."""

    request: web.BaseRequest = field(repr=False)
    request_id: str
    method: str
    fields: MultiMapping[str] = field(repr=False)
    path: str  # raw and undecoded, ASCII
    query: str  # raw and undecoded, ASCII, without the question mark
    started: float  # seconds of Clock.now
    status: int = 0  # 0 until an answer has begun
    sent: int = 0  # bytes of the body
    cache_status: str | None = None
    problem: str | None = None  # the kind of error that was answered
    ended: Ending = "client-left"  # until something better is known
    stays_open: bool = False  # whether the connection can take another request
    is_last: bool = False  # whether its answer ends the connection, whatever the client wants
    vary: tuple[str, ...] = ()  # request fields that the answer depends on, errors included
    committed: bool = False  # whether the first byte of the answer may have left

    @classmethod
    def begin(cls, request: web.BaseRequest, now: float, new_id: Callable[[], str]) -> "Exchange":
        """The exchange of a request that has just been read."""
        path, query = split_target(request.raw_path)
        # aiohttp's stand-in for a request that it could not read has a plain dict
        given_fields: object = request.headers
        fields = given_fields if isinstance(given_fields, MultiMapping) else CIMultiDict()
        request_id = chosen_id(fields.get("X-Request-Id")) or new_id()
        return cls(request, request_id, request.method, fields, path, query, now)

    @property
    def understands_chunks(self) -> bool:
        """Whether the client can be sent a body whose length is not known (RFC 9112 §7.1)."""
        return self.request.version >= HttpVersion11

    def header(self, name: str) -> str | None:
        """A request field, its lines joined by ", " (RFC 9110 §5.3)."""
        lines = self.fields.getall(name, None)
        return None if lines is None else ", ".join(lines)

    def conditions(self) -> Conditions:
        """The conditional fields of the request."""
        return Conditions(
            self.header("If-Match"),
            self.header("If-Unmodified-Since"),
            self.header("If-None-Match"),
            self.header("If-Modified-Since"),
            self.header("If-Range"),
        )


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target, exactly as they were sent (RFC 9112 §3.2).

    The first `?` divides them, never an encoded one. The authority of an absolute target is left
    out. Bytes outside ASCII, which a target must not have, are percent-encoded.
    """
    if not target.isascii():
        raw = target.encode("utf-8", "surrogateescape")
        target = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)
    if not target.startswith("/") and (absolute := _ABSOLUTE.match(target)) is not None:
        target = target[absolute.end() :]
        target = target if target.startswith("/") else f"/{target}"
    path, _, query = target.partition("?")
    return path, query
