"""Conditional requests (RFC 9110 §13): proceed, 304, 412, or the whole instead of a range. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from imcaxy.server.dates import parse_date

# §8.8.2.2 asks for one second between Last-Modified and Date; instances' clocks may differ by more.
STRONG_AFTER = 60  # seconds

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*")')

Outcome = Literal["proceed", "not-modified", "failed"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditional fields of a request, each joined over its lines by ", "."""

    if_match: str | None = None
    if_unmodified_since: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_range: str | None = None


@dataclass(frozen=True, slots=True)
class Validators:
    """What the conditions are compared with."""

    etag: str  # quoted
    last_modified: int  # seconds since 1970 UTC


def judge(conditions: Conditions, validators: Validators, now: float) -> Outcome:
    """What §13.2.2 says in its steps 1 to 4, for a GET or HEAD of a picture that exists."""
    if conditions.if_match is not None:
        if not _listed(conditions.if_match, validators.etag, strong=True):
            return "failed"
    elif conditions.if_unmodified_since is not None:
        since = parse_date(conditions.if_unmodified_since, now)
        if since is not None and validators.last_modified > since:
            return "failed"
    if conditions.if_none_match is not None:
        matches = names_tag(conditions.if_none_match, validators.etag)
        return "not-modified" if matches else "proceed"
    if conditions.if_modified_since is not None:
        since = parse_date(conditions.if_modified_since, now)
        if since is not None and validators.last_modified <= since:
            return "not-modified"
    return "proceed"


def range_applies(if_range: str | None, validators: Validators, now: float) -> bool:
    """Whether a `Range` may be answered with a part (§13.1.5).

    An entity tag must match strongly. A date must be exactly the Last-Modified, and that must be a
    strong validator: a minute old at least.
    """
    if if_range is None:
        return True
    text = if_range.strip(" \t")
    if (tag := _TAG.fullmatch(text)) is not None:
        return tag[1] is None and tag[2] == validators.etag
    return (
        parse_date(text, now) == validators.last_modified
        and now - validators.last_modified >= STRONG_AFTER
    )


def names_tag(if_none_match: str, etag: str) -> bool:
    """Whether an `If-None-Match` names our tag, by the weak comparison (§13.1.2)."""
    return _listed(if_none_match, etag, strong=False)


def _listed(text: str, etag: str, *, strong: bool) -> bool:
    """Whether a list of entity tags names ours; what cannot be read names nothing."""
    if text.strip(" \t") == "*":
        return True
    place = 0
    while place < len(text):
        if text[place] in " \t,":
            place += 1
            continue
        tag = _TAG.match(text, place)
        if tag is None:
            return False
        if tag[2] == etag and not (strong and tag[1]):
            return True
        place = tag.end()
    return False
