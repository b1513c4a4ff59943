"""From a picture and a request's fields to the answer: 200, 206, 304, 412 or 416. Pure."""

from collections.abc import Callable, Iterable

from imcaxy.proxy.base import Served
from imcaxy.server.answers import Answer
from imcaxy.server.conditionals import Conditions, judge, range_applies
from imcaxy.server.headers import HARDENING, content_fields, shared_fields, validators
from imcaxy.server.origins import Fields
from imcaxy.server.policy import HttpPolicy
from imcaxy.server.problems import PRECONDITION_FAILED, UNSATISFIABLE, Problem
from imcaxy.server.ranges import Span, content_range, parse_range, select


def picture(
    served: Served,
    conditions: Conditions,
    wanted_range: str | None,
    policy: HttpPolicy,
    now: float,
    boundary: Callable[[], str],
) -> Answer | Problem:
    """The answer to a GET or HEAD; `wanted_range` is the `Range` field, None for a HEAD.

    The order is that of RFC 9110 §13.2.2. `boundary` gives a text that no picture contains.
    """
    variant = served.variant
    head = variant.head
    current = validators(head, now)
    shared = [*shared_fields(served, policy, now), *HARDENING]
    match judge(conditions, current, now):
        case "failed":
            return PRECONDITION_FAILED
        case "not-modified":
            return Answer(304, shared)
        case "proceed":
            pass
    length = variant.available if head.length is None and variant.whole else head.length
    fields = [*shared, *content_fields(head, now)]
    specs = parse_range(wanted_range)
    if specs is not None and range_applies(conditions.if_range, current, now):
        selected = select(specs, length, variant.available)
        if selected == "unsatisfiable":
            return _unsatisfiable(length)
        if selected != "whole":
            return _partial(served, fields, selected, length, boundary)
    return Answer(200, fields, (Span(0, length),), length, variant)


def _unsatisfiable(length: int | None) -> Problem:
    return Problem(
        UNSATISFIABLE.status,
        UNSATISFIABLE.kind,
        UNSATISFIABLE.title,
        UNSATISFIABLE.detail,
        accepted=f"positions below {length}",
        fields=(("Content-Range", f"bytes */{length}"),),
    )


def _partial(
    served: Served,
    fields: Fields,
    spans: tuple[Span, ...],
    length: int | None,
    boundary: Callable[[], str],
) -> Answer:
    """One span as it is, several as multipart/byteranges (RFC 9110 §15.3.7)."""
    if len(spans) == 1:
        ranged = [*fields, ("Content-Range", content_range(spans[0], length))]
        return Answer(206, ranged, spans, _size(spans), served.variant)
    divider = boundary()
    media_type = served.variant.head.media_type
    body: list[bytes | Span] = []
    for span in spans:
        part = (
            f"\r\n--{divider}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: {content_range(span, length)}\r\n\r\n"
        )
        body += [part.encode(), span]
    body.append(f"\r\n--{divider}--\r\n".encode())
    outer = [field for field in fields if field[0] != "Content-Type"]
    outer.append(("Content-Type", f"multipart/byteranges; boundary={divider}"))
    return Answer(206, outer, tuple(body), _size(body), served.variant)


def _size(body: Iterable[bytes | Span]) -> int:
    """Bytes of a body whose spans all have an end."""
    return sum(
        len(part) if isinstance(part, bytes) else (part.stop or 0) - part.start for part in body
    )
