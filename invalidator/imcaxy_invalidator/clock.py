"""Time, as something that can be handed in."""

import time


class Clock:
    """The machine's time; tests hand in one that they advance themselves."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()  # noqa: TID251 - the one place that may; no part of the server

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)
