"""A store that has just failed is left alone, so that requests do not each wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from imcaxy.clock import Clock
from imcaxy.errors import BlobCorrupt, BlobMissing, CatalogError, StoreError, StoreFull

PAUSE = 2.0  # seconds that a store that failed is left alone
RECENT = 10.0  # seconds that a failure shows in the server's health


class Breaker:
    """Lets calls through until one fails; then none for `pause` seconds, then one at a time.

    The first that succeeds ends it. A missing or damaged blob is an answer, not a
    failure, and so is a full store.
    """

    def __init__(self, clock: Clock, pause: float = PAUSE) -> None:
        self._clock = clock
        self._pause = pause
        self._rests_until: float | None = None  # Clock.now(); None when the last call succeeded
        self._trying = False
        self._failed: float | None = None  # Clock.now() of the last failure

    @property
    def failing(self) -> bool:
        """Whether a call failed within the last RECENT seconds; others may have succeeded since."""
        return self._failed is not None and self._clock.now() - self._failed < RECENT

    @property
    def rests(self) -> bool:
        """Whether the store is left alone now."""
        return self._rests_until is not None and self._clock.now() < self._rests_until

    def refuse(self) -> None:
        """Return when a call may be made; CatalogError at once while the store is left alone."""
        if self.rests or self._trying:
            raise CatalogError("The store has just failed and is left alone for a moment.")

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Around one call: learn from its outcome."""
        try:
            yield
        except (BlobMissing, BlobCorrupt, StoreFull):
            self._rests_until = None
            raise
        except StoreError:
            self._failed = self._clock.now()
            self._rests_until = self._failed + self._pause
            raise
        self._rests_until = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one short call: `refuse`, `watch`, and after a pause let one call try alone."""
        self.refuse()
        trial = self._rests_until is not None
        self._trying = trial
        try:
            with self.watch():
                yield
        finally:
            if trial:
                self._trying = False
