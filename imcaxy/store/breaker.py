"""A store that has just failed is left alone, so that requests do not each wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from imcaxy.clock import Clock
from imcaxy.errors import BlobCorrupt, BlobMissing, CatalogError, StoreError


class Breaker:
    """Lets calls through until one fails; then none for `pause` seconds, then one at a time.

    The first that succeeds ends it. A missing or damaged blob is an answer, not a failure.
    """

    def __init__(self, clock: Clock, pause: float) -> None:
        self._clock = clock
        self._pause = pause
        self._rests_until: float | None = None  # Clock.now(); None when the last call succeeded
        self._trying = False

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
        except (BlobMissing, BlobCorrupt):
            self._rests_until = None
            raise
        except StoreError:
            self._rests_until = self._clock.now() + self._pause
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
