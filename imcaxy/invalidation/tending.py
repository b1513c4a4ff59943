"""What every instance does for all of them, now and then."""

import logging
import random
from collections.abc import Callable

from imcaxy.clock import Clock
from imcaxy.errors import StoreError
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.store.catalog.base import Instance

EVERY = 10.0  # seconds, half to one and a half of it

_log = logging.getLogger("imcaxy.invalidation")


class Tending:
    """Finishes invalidations that their writer left, and strikes off instances that are silent.

    `dead_are_known` engines need no striking off: their dead are told by name.
    """

    def __init__(
        self,
        confirming: Confirming,
        clearing: Clearing,
        clock: Clock,
        *,
        dead_are_known: bool,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._confirming = confirming
        self._clearing = clearing
        self._clock = clock
        self._dead_are_known = dead_are_known
        self._jitter = jitter
        self._silent: dict[str, tuple[Instance, float]] = {}

    async def tend(self) -> None:
        """Do it again and again; a store that fails is tried again later."""
        while True:
            await self._clock.sleep(EVERY * (0.5 + self._jitter()))
            try:
                await self._clearing.finish()
                if not self._dead_are_known:
                    await self._confirming.strike_off(self._silent)
            except StoreError as error:
                _log.warning("invalidations wait to be cleared", extra={"reason": str(error)})
