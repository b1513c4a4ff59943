"""The port between HTTP and everything below it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import Variant
from imcaxy.store.blobs.base import OpenBlob

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """What HTTP says of a request for a picture, as plain values."""

    operation: str
    query: str  # raw and undecoded, ASCII
    accept: str | None  # all Accept fields joined by ", "
    save_data: bool
    wants_image: bool  # Accept names image/* or image/...: an <img>; it may get the fallback
    body: Source | None = None  # the original, where it was sent along: nothing is kept then
    # whether the client has the picture with this entity tag already; None: it names none
    is_unchanged: Callable[[str], bool] | None = field(default=None, kw_only=True, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be served, before anything is looked up."""

    vary: tuple[str, ...]  # request fields that chose the variant; named on 304 and errors too
    error_vary: tuple[str, ...] = field(
        default=(), kw_only=True
    )  # that also chose what errors give


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """How a picture came to be had (RFC 9211)."""

    hit: bool
    fwd: Literal["miss", "bypass", "method"] | None = None
    stored: bool = False
    collapsed: bool = False
    detail: str | None = None

    def render(self) -> str:
        """The value of `Cache-Status`, such as `Imcaxy; hit; detail=memory`."""
        parts = ["Imcaxy"]
        if self.hit:
            parts.append("hit")
        elif self.fwd is not None:
            parts.append(f"fwd={self.fwd}")
        if self.stored:
            parts.append("stored")
        if self.collapsed:
            parts.append("collapsed")
        if self.detail is not None:
            parts.append(f"detail={_item(self.detail)}")
        return "; ".join(parts)


def _item(text: str) -> str:
    """A structured field's token where the text is one, else a string (RFC 8941 §3.3)."""
    if _TOKEN.match(text):
        return text
    plain = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Served:
    """A picture to be sent, and what its receiver may do with it."""

    variant: Variant
    status: CacheStatus
    vary: tuple[str, ...]
    fallback: bool = False  # the source instead of the picture: no-store
    posted: bool = False  # of an original that was sent along: no-store
    immutable: bool = False  # `v=` names an invalidation that has been answered
    short_lived: bool = False  # any other `v=`: 60 s


class AtHand(Protocol):
    """A copy of a picture that can be given without waiting for anybody."""

    @property
    def name(self) -> str:
        """The name of this very copy: another one has another."""
        ...

    @property
    def tier(self) -> str:
        """Where it was found, as Cache-Status says it."""
        ...

    @property
    def length(self) -> int:
        """Bytes."""
        ...

    @property
    def body(self) -> bytes | None:
        """Its bytes, if they are in memory."""
        ...

    @property
    def blob(self) -> OpenBlob | None:
        """Its file, if they are not."""
        ...


class Proxy(Protocol):
    """Finds a picture or has it made; knows nothing of HTTP."""

    def plan(self, asked: Asked) -> Plan:
        """What will be served. Pure and fast; raises RequestError or SourceError."""
        ...

    def recall(self, plan: Plan) -> AtHand | None:
        """The picture if it is at hand and `serve` would give this copy, at once.

        It may be sent in the same step only: after the next turn of the event loop it may be gone.
        What has a `v=` is only given once it is immutable, which it stays.
        """
        ...

    async def serve(self, plan: Plan) -> Served:
        """The picture, as soon as its head is known; raises ImcaxyError.

        Has a deadline of its own and raises WaitExpired when it has passed.
        Cancelling it leaves the job that makes the picture alone.
        """
        ...
