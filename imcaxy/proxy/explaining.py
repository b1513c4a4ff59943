"""Why a picture is a hit or a miss: what the catalog has of it, and what one instance holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imcaxy.errors import ImcaxyError
from imcaxy.grammar.purge_keys import named_keys
from imcaxy.grammar.rebuild import to_route
from imcaxy.hub.hub import Hub
from imcaxy.invalidation.follower import Follower
from imcaxy.jobs.failures import Failures
from imcaxy.proxy.planning import ImagePlan
from imcaxy.store.catalog.base import Catalog, Claim, Entry, LogRecord
from imcaxy.store.store import Store

_LOOKED_AT = 1000  # stale entries that are searched for the picture's own

Holding = Literal["memory", "open file", "stream", "failure", "nothing"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the catalog has of one picture."""

    entry: Entry | None  # the live one
    stale: Entry | None  # without a live one: the newest of those that a record made stale
    record: LogRecord | None  # the newest that names one of the picture's keys
    named: tuple[str, ...]  # what of the picture that record names, in words
    removed: bool  # whether it has removed the picture, by what was kept of it
    claim: Claim | None  # the newest
    owner: str  # the name of the claim's instance
    keys: dict[str, str]  # purge keys, with what they stand for


async def kept_of(catalog: Catalog, plan: ImagePlan) -> Kept:
    """The facts of the catalog, none of which is changed by looking; raises StoreError."""
    keys = named_keys(plan.request.sources)
    entry = await catalog.find(plan.signature)
    record = await catalog.last_naming(tuple(keys))
    stale, removed = None, False
    if entry is None and record is not None:
        old = await catalog.stale(tuple(keys)[-1:], record.number, _LOOKED_AT)
        own = [each for each in old if each.signature == plan.signature]
        stale = max(own, key=lambda each: each.as_of.number, default=None)
        pages = await catalog.cleared(record.number)
        removed = any(text.startswith(plan.signature) for page in pages for text in page.removed)
    claim = next(iter(await catalog.claims(plan.signature)), None)
    owner = "" if claim is None else await _name_of(catalog, claim.by)
    named = () if record is None else tuple(keys[key] for key in record.keys if key in keys)
    return Kept(entry, stale, record, named, removed, claim, owner, keys)


async def _name_of(catalog: Catalog, incarnation: str) -> str:
    rows = await catalog.instances()
    return next((row.name for row in rows if row.incarnation == incarnation), "one that is gone")


@dataclass(frozen=True, slots=True)
class Standing:
    """What one instance holds of one picture, and whether it may hand it out."""

    holding: Holding
    current: bool = True
    silence: float = 0.0  # seconds since it last read the log
    failure: ImcaxyError | None = None
    past: bool = False  # whether the entry is older than IMCAXY_MAX_ENTRY_AGE


class Observer:
    """Looks at what this instance holds; nothing counts as a use."""

    def __init__(self, store: Store, hub: Hub, failures: Failures, log: Follower) -> None:
        self._store = store
        self._hub = hub
        self._failures = failures
        self._log = log

    def standing(self, signature: str, entry: Entry | None) -> Standing:
        """What there is of the picture, in one step."""
        failure = self._failures.recall(signature)
        holding: Holding = "nothing"
        if (at_hand := self._store.holding(signature)) is not None:
            holding = at_hand
        elif self._hub.find(signature) is not None:
            holding = "stream"
        elif failure is not None:
            holding = "failure"
        return Standing(
            holding,
            self._log.is_current,
            self._log.silence,
            failure,
            past=entry is not None and self._store.is_past(entry),
        )


def verdict(standing: Standing, kept: Kept) -> str:
    """What the next request gets from this instance, and why. Pure."""
    if standing.holding in ("memory", "open file"):
        if not standing.current:
            return f"hit, once it has read the log: it last did {standing.silence:.1f} s ago"
        return "hit from memory" if standing.holding == "memory" else "hit from an open file"
    if standing.holding == "stream":
        return "miss, joins the job that makes it here now"
    if kept.entry is not None and not standing.past:
        return "hit from the store: its entry is live"
    if standing.failure is not None:
        error = standing.failure
        wait = "" if error.retry_after is None else f", tried again in {error.retry_after:.0f} s"
        return f"error {error.status}, remembered{wait}: {error.detail}"
    return f"miss: {_why_not_kept(kept)}"


def _why_not_kept(kept: Kept) -> str:
    if kept.entry is not None:
        return "its entry is older than IMCAXY_MAX_ENTRY_AGE"
    if kept.claim is not None and kept.claim.outcome is None:
        return f"its job is claimed by {kept.owner}, and waited for"
    if kept.record is not None and (kept.stale is not None or kept.removed):
        return f"invalidation {kept.record.number} removed it, by {' and '.join(kept.named)}"
    return "nothing is kept: never asked for since, not kept, or evicted"


def to_json(plan: ImagePlan, kept: Kept) -> dict[str, object]:
    """The picture and what the catalog has of it."""
    return {
        "request": f"/imaginary/{to_route(plan.request)}",
        "signature": plan.signature,
        "sources": [source.value for source in plan.request.sources],
        "vary": list(plan.vary),
        "keys": kept.keys,
        "entry": _entry(kept.entry),
        "staleEntry": _entry(kept.stale),
        "lastRecord": _record(kept.record, kept.named),
        "claim": _claim(kept.claim, kept.owner),
    }


def _entry(entry: Entry | None) -> dict[str, object] | None:
    if entry is None:
        return None
    return {
        "blob": entry.blob,
        "length": entry.sum.length,
        "mediaType": entry.head.media_type,
        "etag": entry.head.etag,
        "asOf": entry.as_of.number,
        "madeAt": entry.head.made_at,
        "usedAt": entry.used,
        "uses": entry.uses,
        "secondsToMake": round(entry.cost, 3),
    }


def _record(record: LogRecord | None, named: Sequence[str]) -> dict[str, object] | None:
    if record is None:
        return None
    return {
        "number": record.number,
        "request": record.request,
        "at": record.at,
        "projectName": record.project,
        "commitHash": record.commit,
        "names": list(named),
    }


def _claim(claim: Claim | None, owner: str) -> dict[str, object] | None:
    if claim is None:
        return None
    return {"number": claim.number, "by": owner, "running": claim.outcome is None}
