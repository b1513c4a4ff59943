"""Whether the bytes of a request are an ordinary GET, and what they say that matters. Pure.

Strict on purpose: whatever is not clearly ordinary is left to the parser, which judges it anyway.
So nothing here can be used to have two parsers see two different requests (RFC 9112 §11.2).
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST = 8192  # bytes of the fields of an ordinary request
MOST_FIELDS = 64

# Their values are what a server must obey; all that is not here, `Host` and the ones read below
# aside, is ignored by the other road too.
_UNUSUAL: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "expect", "http2-settings"),
        *("if-match", "if-modified-since", "if-range", "if-unmodified-since", "keep-alive"),
        *("proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_SHAPE = re.compile(rb"(?:[A-Za-z0-9-]+:[ -~]*\r\n)+\r\n")
_FIELD = re.compile(r"([A-Za-z0-9-]+):(.*)\r\n")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
_TARGET = re.compile(r"/[!-~]*")


@dataclass(frozen=True, slots=True)
class Fields:
    """What an ordinary request says beside its target."""

    accept: str | None
    save_data: bool
    origin: str | None
    if_none_match: str | None
    request_id: str | None  # as it was sent


def read_fields(block: bytes) -> Fields | None:
    """What the field lines say, the empty line at their end included; None: not ordinary."""
    if len(block) > LONGEST or _SHAPE.fullmatch(block) is None:
        return None
    lines = _FIELD.findall(block.decode("ascii"))
    fields = {name.lower(): value.strip(" ") for name, value in lines}
    if len(fields) != len(lines) or len(lines) > MOST_FIELDS:  # a name that comes twice
        return None
    if fields.get("connection", "").lower() == "keep-alive":  # what HTTP/1.1 means anyway
        del fields["connection"]
    if "if-none-match" in fields:  # RFC 9110 §13.1.3: then the other one is not looked at
        fields.pop("if-modified-since", None)
    if not _UNUSUAL.isdisjoint(fields) or any(n.startswith("sec-websocket") for n in fields):
        return None
    if _HOST.fullmatch(fields.get("host", "")) is None:
        return None
    return Fields(
        accept=fields.get("accept"),
        save_data=fields.get("save-data", "").lower() == "on",
        origin=fields.get("origin"),
        if_none_match=fields.get("if-none-match"),
        request_id=fields.get("x-request-id"),
    )


def request_line(target: str) -> bytes | None:
    """The line of an ordinary GET for this raw target; None: not an ordinary target."""
    if _TARGET.fullmatch(target) is None or "#" in target:
        return None
    return b"GET " + target.encode("ascii") + b" HTTP/1.1"
