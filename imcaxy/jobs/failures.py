"""Failures that are remembered briefly, so that a broken picture is not tried at every request."""

import random
from collections import OrderedDict
from collections.abc import Callable, Collection

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError


class Failures:
    """The latest failure of each variant, for as long as its class says (`ImcaxyError.remember`).

    Holds at most `limit` items; the oldest go first. Lifetimes vary by a fifth either way, so that
    many pictures of one broken origin are not tried again at the same instant.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        factor: float = 1.0,
        limit: int = 10_000,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._factor = factor
        self._limit = limit
        self._jitter = jitter
        self._items: OrderedDict[str, tuple[ImcaxyError, float, tuple[str, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def lifetime(self, error: ImcaxyError) -> float:
        """Seconds that this failure shall be remembered."""
        return error.remember * self._factor * (0.8 + 0.4 * self._jitter())

    def apply(self, number: int, keys: Collection[str]) -> None:
        """Forget failures of these keys: what was missing or broken may be there now (I1)."""
        hit = frozenset(keys)
        for signature, (_, _, theirs) in list(self._items.items()):
            if not hit.isdisjoint(theirs):
                del self._items[signature]

    def let_go(self) -> None:
        """Forget everything."""
        self._items.clear()

    def reset(self, number: int) -> None:
        """Forget everything."""
        self.let_go()

    def note(
        self, signature: str, error: ImcaxyError, seconds: float, keys: tuple[str, ...] = ()
    ) -> None:
        """Remember the failure of a variant of these purge keys; one with no lifetime is not.

        In the step that finds that no invalidation has come since the job began.
        """
        self._items.pop(signature, None)
        if seconds <= 0:
            return
        # A copy: the error's traceback would hold on to the job and its bytes.
        self._items[signature] = (error.again(), self._clock.now() + seconds, keys)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def recall(self, signature: str) -> ImcaxyError | None:
        """The failure, as a fresh copy that says in how many seconds a try is worth it."""
        held = self._items.get(signature)
        if held is None:
            return None
        error, until, _ = held
        left = until - self._clock.now()
        if left <= 0:
            del self._items[signature]
            return None
        copy = error.again()
        if copy.status in {502, 503, 504}:
            copy.retry_after = left
        return copy
