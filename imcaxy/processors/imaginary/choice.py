"""Which of several engines a request goes to, decided on plain values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

REST = 1.0  # seconds that an engine which cannot be reached is left alone; doubled each time
LONGEST_REST = 30.0  # seconds
LOSSES = 3  # answers lost in a row until an engine rests; one picture's fault is no engine's


@dataclass
class Standing:
    """What is known of one engine. Written in single steps of the event loop."""

    busy: int = 0  # requests that it works on
    used: int = 0  # requests so far
    losses: int = 0  # answers in a row that broke off or never came
    rests: int = 0  # rests in a row
    until: float = 0.0  # clock time at which its rest ends

    def take(self) -> None:
        """A request goes to it."""
        self.busy += 1
        self.used += 1

    def leave(self) -> None:
        """A request has ended, in whatever way."""
        self.busy -= 1

    def answered(self) -> None:
        """It has given a whole picture, or said what is wrong with the request."""
        self.losses = self.rests = 0

    def lost(self, now: float) -> None:
        """It took a request and gave no whole answer; one that has rested rests again at once."""
        self.losses += 1
        if self.rests or self.losses >= LOSSES:
            self.unreachable(now)

    def unreachable(self, now: float, at_least: float | None = None) -> None:
        """It took no request: nobody asks it for a while (seconds), longer each time.

        Requests that fail while it rests were under way before: they make it no longer.
        """
        self.losses = 0
        if now >= self.until:
            self.until = now + min(REST * 2**self.rests, LONGEST_REST)
            self.rests = min(self.rests + 1, 10)
        self.until = max(self.until, now + min(at_least or 0.0, LONGEST_REST))

    def open(self, now: float) -> bool:
        """Whether it may be asked; after a rest by one request alone, until that has ended."""
        return self.sound or (now >= self.until and not self.busy)

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.rests


def choose(standings: Sequence[Standing], tried: Collection[int], now: float) -> int | None:
    """The engine with the least work, among equals the least used; None when all were tried.

    When every engine rests, the one whose rest ends first is asked: it may be back.
    """
    left = [number for number in range(len(standings)) if number not in tried]
    if not left:
        return None
    if ready := [number for number in left if standings[number].open(now)]:
        return min(ready, key=lambda number: (standings[number].busy, standings[number].used))
    return min(left, key=lambda number: standings[number].until)
