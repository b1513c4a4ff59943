"""Time, as something that can be handed in: the one module that reads the machine's clocks."""

import asyncio
import time


class Clock:
    """The machine's time; tests hand in one that they advance themselves."""

    def now(self) -> float:
        """Seconds on a clock that never goes back and counts while the machine is suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Seconds since 1970 UTC; may jump, so never used to measure a duration."""
        return time.time()  # noqa: TID251 - the one place that may

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
