"""Who has not applied a record yet (design 6.3 P2, 6.5)."""

from imcaxy.clock import Clock
from imcaxy.errors import StoreError
from imcaxy.store.catalog.base import Catalog, Instance

MARGIN = 5.0  # seconds beyond the grace, for what lies between a look at a clock and its use
POLL = (0.005, 0.1)  # seconds between two looks at the instances: first, longest


class Confirming:
    """Waits until no instance can serve what a record made stale."""

    def __init__(self, catalog: Catalog, clock: Clock, grace: float) -> None:
        """`grace` seconds after its last look at the log an instance serves nothing kept."""
        self._catalog = catalog
        self._clock = clock
        self._grace = grace

    async def unconfirmed(self, number: int, since: float) -> tuple[str, ...]:
        """Names of instances that may still serve what record `number` made stale.

        `since` is a Clock.now() at which the record was in the log: whoever is silent for the
        grace from then on has read it or serves nothing kept. Raises StoreError.
        """
        if self._clock.now() - since > self._grace + MARGIN:
            return ()
        waiting = [each for each in await self._catalog.instances() if _lacks(each, number)]
        names = [each.name for each in waiting if not await self._catalog.is_gone(each.incarnation)]
        return tuple(sorted(names))

    async def wait(self, number: int, since: float, timeout: float) -> tuple[str, ...]:
        """The same, once it is empty or `timeout` seconds have passed; StoreError only then."""
        pause, longest = POLL
        names: tuple[str, ...] | None = None
        failure: StoreError | None = None
        until = self._clock.now() + timeout
        while True:
            try:
                names, failure = await self.unconfirmed(number, since), None
            except StoreError as error:
                failure = error
            if (not names and failure is None) or self._clock.now() >= until:
                break
            await self._clock.sleep(pause)
            pause = min(longest, pause * 1.5)
        if failure is not None:
            raise failure
        return names or ()

    async def strike_off(self, silent: dict[str, tuple[Instance, float]]) -> None:
        """Remove rows of instances that have been silent for longer than the grace.

        `silent` is the caller's memory of what it saw when; an instance that wakes up reads the log
        before it serves, and writes its row again. Raises StoreError.
        """
        now = self._clock.now()
        rows = {row.incarnation: row for row in await self._catalog.instances()}
        for incarnation in silent.keys() - rows.keys():
            del silent[incarnation]
        for incarnation, row in rows.items():
            seen, since = silent.get(incarnation, (None, now))
            if seen != row:
                silent[incarnation] = (row, now)
            elif now - since > self._grace + MARGIN:
                await self._catalog.delete_instance(incarnation)
                del silent[incarnation]


def _lacks(instance: Instance, number: int) -> bool:
    return not instance.left and instance.applied.number < number
