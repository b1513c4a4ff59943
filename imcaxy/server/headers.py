"""The header block of a picture (design 9 and 6.13; docs/decisions/age-and-date.md). Pure."""

from collections.abc import Iterable

from imcaxy.grammar.variant import Head
from imcaxy.proxy.base import Served
from imcaxy.server.conditionals import Validators
from imcaxy.server.dates import format_date
from imcaxy.server.origins import Fields
from imcaxy.server.policy import HttpPolicy

IMMUTABLE_AGE = 31536000  # seconds: a year, the most that a client will take seriously
SHORT_AGE = 60  # seconds: a page with `v=` can be newer than the purge that it waits for
LONGEST_STAMP = 30  # seconds that `Date` stands still before a kept picture counts as checked again

# The answer may be opened as a document: an SVG or a mistyped one must then be able to do nothing.
HARDENING: Fields = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
]


def validators(head: Head, now: float) -> Validators:
    """The entity tag and Last-Modified, which is never later than now (RFC 9110 §8.8.2.1)."""
    return Validators(head.etag, int(min(head.made_at, now)))


def lifetime(served: Served, policy: HttpPolicy) -> int:
    """Seconds that a client may use the picture without asking; 0 for what must not be kept."""
    if served.fallback or served.posted:
        return 0
    if served.immutable:
        return IMMUTABLE_AGE
    return SHORT_AGE if served.short_lived else policy.max_age


def shortest_lifetime(served: Served, policy: HttpPolicy) -> int:
    """Seconds that any cache, private or shared, may use the picture without asking."""
    shared = IMMUTABLE_AGE if policy.shared_max_age is None else policy.shared_max_age
    return min(lifetime(served, policy), shared)


def cache_control(served: Served, policy: HttpPolicy) -> str:
    """The value of `Cache-Control` (RFC 9111 §5.2.2, RFC 5861 §3, RFC 8246)."""
    if served.fallback or served.posted:
        return "no-store"
    seconds = lifetime(served, policy)
    if served.immutable:
        return f"public, max-age={seconds}, immutable"
    if served.short_lived:
        return f"public, max-age={seconds}"
    parts = ["public", f"max-age={seconds}"]
    if policy.shared_max_age is not None:
        parts.append(f"s-maxage={policy.shared_max_age}")
    if policy.stale_while_revalidate:
        parts.append(f"stale-while-revalidate={policy.stale_while_revalidate}")
    return ", ".join(parts)


def stamp(made_at: float, now: float, seconds: int) -> tuple[int, int]:
    """`Date` (seconds since 1970) and `Age` (seconds) of a picture with a lifetime of `seconds`.

    `Date` is the beginning of the current window since the picture was made, `Age` the time in it;
    a window lasts a tenth of the lifetime, LONGEST_STAMP at most. So `Age` is true, `Date` stands
    still between two hits, and a picture of any age can be kept downstream for nine tenths of its
    lifetime or more.
    """
    window = min(LONGEST_STAMP, seconds // 10)
    elapsed = max(0, int(now) - int(made_at))
    age = elapsed % window if window else 0
    return int(now) - age, age


def vary(*names: Iterable[str]) -> Fields:
    """The `Vary` field of these names, each once; no field when there are none."""
    unique = {name.lower(): name for group in names for name in group}
    return [("Vary", ", ".join(unique.values()))] if unique else []


def shared_fields(served: Served, policy: HttpPolicy, now: float) -> Fields:
    """What a 304 carries, and every other answer with a picture too (RFC 9110 §15.4.5).

    `Age` only where the picture was not made for this very request (RFC 9111 §5.1).
    """
    date, age = stamp(served.variant.head.made_at, now, shortest_lifetime(served, policy))
    fields = [
        ("Date", format_date(date)),
        ("ETag", served.variant.head.etag),
        ("Cache-Control", cache_control(served, policy)),
        ("Cache-Status", served.status.render()),
    ]
    if served.status.hit or served.status.collapsed:
        fields.append(("Age", str(age)))
    return fields


def content_fields(head: Head, now: float) -> Fields:
    """What describes the bytes of a picture; not on a 304."""
    return [
        ("Content-Type", head.media_type),
        ("Last-Modified", format_date(validators(head, now).last_modified)),
        ("Accept-Ranges", "bytes"),
    ]
