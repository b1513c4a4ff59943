"""What this instance has applied of the log, and what that makes stale (design 6.4, I1 and I2)."""

from collections.abc import Collection
from typing import Protocol

from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.store.catalog.base import LogRecord

REMEMBERED = 50_000  # purge keys; past it the oldest give way to one number that covers them all


class Subscriber(Protocol):
    """Holds bytes, or what came of making them, and forgets what a record hits."""

    def apply(self, number: int, keys: Collection[str]) -> None:
        """Hold nothing under these keys that is older than record `number`; one step."""
        ...

    def let_go(self) -> None:
        """Give nothing that is held to anybody who asks from now on; who waits for it goes on."""
        ...

    def reset(self, number: int) -> None:
        """Hold nothing, for nobody; the log is another one, and stands at `number`."""
        ...


class Ledger:
    """The newest applied record, and for each purge key the newest record that hit it.

    Every call is one step of the event loop. What is forgotten of old keys makes it stricter, never
    more lenient: an operation that has run that long is judged stale.
    """

    def __init__(self, *subscribers: Subscriber, remembered: int = REMEMBERED) -> None:
        self._subscribers = subscribers
        self._remembered = remembered
        self._position = LOG_START
        self._purged: dict[str, int] = {}  # in the order of their numbers
        self._floor = 0  # below it everything counts as hit

    @property
    def position(self) -> LogPosition:
        """The newest record that was applied here."""
        return self._position

    def allows(self, keys: Collection[str], as_of: LogPosition) -> bool:
        """Whether bytes of these keys and this age may be handed out (I2)."""
        if as_of.number >= self._position.number:
            return True
        purged = self._purged
        return as_of.number >= self._floor and all(
            as_of.number >= purged.get(key, 0) for key in keys
        )

    def begin(self, position: LogPosition) -> None:
        """Stand at this record; nothing is held yet (I0)."""
        self._position = position

    def apply(self, record: LogRecord) -> None:
        """Make stale what the record hits, everywhere, in one step (I1)."""
        for key in record.keys:
            self._purged.pop(key, None)
            self._purged[key] = record.number
        while len(self._purged) > self._remembered:
            oldest = next(iter(self._purged))
            self._floor = max(self._floor, self._purged.pop(oldest))
        for subscriber in self._subscribers:
            subscriber.apply(record.number, record.keys)
        self._position = LogPosition(record.number, record.request)

    def forget(self) -> None:
        """Hold nothing: whether it is stale cannot be told any more (design 6.5)."""
        for subscriber in self._subscribers:
            subscriber.let_go()

    def reset(self, position: LogPosition) -> None:
        """Hold nothing, and stand at `position` of a log that is not the one that was read."""
        self._position = position
        self._purged.clear()
        self._floor = position.number
        for subscriber in self._subscribers:
            subscriber.reset(position.number)
