"""Which claims have ended, and how long ago, on the watcher's own clock."""

from collections.abc import Iterable
from typing import NamedTuple

from imcaxy.clock import Clock
from imcaxy.store.catalog.base import Catalog, Claim


class State(NamedTuple):
    """What a watcher knows of a claim."""

    ended: bool  # it has an outcome, its owner is gone, or its beat stands still
    seconds: float  # since this watcher first saw it ended


class _Seen(NamedTuple):
    beat: int
    since: float  # Clock.now() at which this beat was first seen
    ended: float | None  # Clock.now() at which the claim was first seen ended


class Watch:
    """Remembers the beats that it has seen; clocks of two machines are never compared."""

    def __init__(self, catalog: Catalog, clock: Clock, lease: float) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lease = lease
        self._seen: dict[tuple[str, int, str], _Seen] = {}

    async def look(self, claim: Claim) -> State:
        """The claim's state now. Raises CatalogError."""
        gone = claim.outcome is None and await self._catalog.is_gone(claim.by)
        now = self._clock.now()
        name = (claim.signature, claim.number, claim.blob)
        seen = self._seen.get(name)
        if seen is None or seen.beat != claim.beat:
            seen = _Seen(claim.beat, now, None)
        still = now - seen.since >= self._lease
        if claim.outcome is not None or gone or still:
            seen = seen._replace(ended=now if seen.ended is None else seen.ended)
        self._seen[name] = seen
        return State(seen.ended is not None, 0.0 if seen.ended is None else now - seen.ended)

    def keep_only(self, claims: Iterable[Claim]) -> None:
        """Forget every claim that is not among these."""
        names = {(claim.signature, claim.number, claim.blob) for claim in claims}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
