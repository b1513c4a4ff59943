"""A clock of which a test is the master: sleeping costs no time."""

from collections.abc import Callable

from imcaxy_invalidator.clock import Clock


class FakeClock(Clock):
    """Goes on when somebody sleeps; `on_sleep` may then change the world."""

    def __init__(self, on_sleep: Callable[[], None] = lambda: None) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self._on_sleep = on_sleep

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        self._on_sleep()
