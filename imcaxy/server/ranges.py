"""Range requests (RFC 9110 §14): which bytes are wanted, and which will be sent. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

MOST_RANGES = 16  # a request that names more is answered whole (§14.2, §17.15)
PART_OVERHEAD = 80  # bytes that one part of a multipart body costs beside its content, at least

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_DIGITS = 18  # positions with more digits lie beyond any body; cut so that int() stays cheap


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` up to, but not including, `stop`; to the end when `stop` is None."""

    start: int
    stop: int | None


@dataclass(frozen=True, slots=True)
class RangeSpec:
    """One range as it was asked for: `first-last`, `first-` or `-last`."""

    first: int | None
    last: int | None


Selection = tuple[Span, ...] | Literal["whole", "unsatisfiable"]


def parse_range(value: str | None) -> tuple[RangeSpec, ...] | None:
    """The ranges of a `Range` field, or None when the field is to be ignored.

    Ignored are other units, malformed sets (§14.2) and sets of more than MOST_RANGES ranges.
    """
    if value is None:
        return None
    unit, equals, text = value.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    members = [member.strip(" \t") for member in text.split(",", 8 * MOST_RANGES)]
    wanted = [member for member in members if member]  # empty members: §5.6.1.2
    if not wanted or len(wanted) > MOST_RANGES:
        return None
    specs = tuple(spec for member in wanted if (spec := _spec(member)) is not None)
    return specs if len(specs) == len(wanted) else None


def _spec(member: str) -> RangeSpec | None:
    match = _SPEC.fullmatch(member)
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (_position(text) for text in match.groups())
    if first is not None and last is not None and last < first:  # §14.1.2: invalid
        return None
    return RangeSpec(first, last)


def _position(text: str) -> int | None:
    if not text:
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS


def select(specs: tuple[RangeSpec, ...], length: int | None, available: int) -> Selection:
    """The spans to send, joined where apart they would cost more than together (§15.3.7.2).

    `length` is None while a running picture has not said it. Then only ranges that lie whole
    within the `available` bytes can be answered (`Content-Range: bytes 0-9/*`); for anything else
    the answer is the whole picture: to wait for the end would hold back bytes that are there.
    """
    if length is None:
        closed = [spec for spec in specs if spec.first is not None and spec.last is not None]
        spans = [Span(spec.first or 0, (spec.last or 0) + 1) for spec in closed]
        inside = all((span.stop or 0) <= available for span in spans)
        return _joined(spans) if inside and len(closed) == len(specs) else "whole"
    satisfiable = [span for spec in specs if (span := _span(spec, length)) is not None]
    return _joined(satisfiable) if satisfiable else "unsatisfiable"


def _span(spec: RangeSpec, length: int) -> Span | None:
    if spec.first is None:
        suffix = min(spec.last or 0, length)
        return Span(length - suffix, length) if suffix else None
    if spec.first >= length:
        return None
    stop = length if spec.last is None else min(spec.last + 1, length)
    return Span(spec.first, stop)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans without overlaps and small gaps, in the order in which they were first named."""
    joined: list[tuple[int, int, int]] = []  # start, stop, place in the request
    for start, stop, place in sorted(
        (span.start, span.stop or 0, place) for place, span in enumerate(spans)
    ):
        if joined and start <= joined[-1][1] + PART_OVERHEAD:
            first, end, earlier = joined[-1]
            joined[-1] = (first, max(end, stop), min(earlier, place))
        else:
            joined.append((start, stop, place))
    return tuple(Span(start, stop) for start, stop, _ in sorted(joined, key=lambda item: item[2]))


def content_range(span: Span, length: int | None) -> str:
    """The value of `Content-Range` for one span (§14.4)."""
    last = (span.stop or 0) - 1
    return f"bytes {span.start}-{last}/{'*' if length is None else length}"
