"""Which values of `v=` name an invalidation that was answered 200 (design 6.13)."""

from collections import OrderedDict
from collections.abc import Collection

from imcaxy.clock import Clock
from imcaxy.errors import StoreError
from imcaxy.store.catalog.base import Catalog

MOST = 10_000  # values remembered
NO_LASTS = 1.0  # seconds in which a value that named nothing is not looked up again


class Versions:
    """Asks the catalog once for a commit that has been answered, and seldom for any other value.

    Satisfies Subscriber. Only that a value names no record is remembered, and until the next one
    is applied: the first request after an answer sees it.
    """

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._not: OrderedDict[str, float] = OrderedDict()  # until when, Clock.now()

    def apply(self, number: int, keys: Collection[str]) -> None:
        """Look up again what named nothing."""
        self._not.clear()

    def let_go(self) -> None:
        """An answer that was given stays given."""

    def reset(self, number: int) -> None:
        """Look up everything again."""
        self._answered.clear()
        self._not.clear()

    def was_answered(self, commit: str) -> bool:
        """Whether `answered` has said yes to it before."""
        return commit in self._answered

    async def answered(self, commit: str) -> bool:
        """Whether an invalidation with this commit has been answered 200; no when in doubt."""
        if commit in self._answered:
            return True
        if self._not.get(commit, 0.0) > self._clock.now():
            return False
        try:
            found = await self._catalog.is_answered(commit)
        except StoreError:
            return False
        if found:
            self._answered[commit] = None
        elif found is None:
            self._not[commit] = self._clock.now() + NO_LASTS
        for held in (self._answered, self._not):
            if len(held) > MOST:
                held.popitem(last=False)
        return bool(found)
