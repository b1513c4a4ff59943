"""How old a kept picture may be before it is asked about, and before it is made anew."""

from collections.abc import Callable

from imcaxy.clock import Clock
from imcaxy.store.catalog.base import Entry


class Ageing:
    """Judges entries as they are handed out, by the time since they were made.

    `due` is told, in passing, of an entry whose sources should be asked for changes; it is served
    meanwhile.
    """

    def __init__(
        self, clock: Clock, *, longest: float, due_after: float, due: Callable[[Entry], None]
    ) -> None:
        """`longest` and `due_after` are seconds; 0 is never."""
        self._clock = clock
        self._longest = longest or float("inf")
        self._due_after = due_after or float("inf")
        self._young = min(self._longest, self._due_after)
        self._due = due

    def is_past(self, entry: Entry) -> bool:
        """The same, for who only looks: nobody is told."""
        return self._clock.wall() - entry.head.made_at >= self._longest

    def is_over(self, entry: Entry, wall: float | None = None) -> bool:
        """Whether the entry must not be served any more; `wall` is the time, if it is known."""
        age = (self._clock.wall() if wall is None else wall) - entry.head.made_at
        if age < self._young:
            return False
        if age >= self._longest:
            return True
        if age >= self._due_after:
            self._due(entry)
        return False
