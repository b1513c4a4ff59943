"""How many pictures are made at once, and who waits for how long."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded


class Abandoned(Overloaded):
    """Nobody waits for this job any more; it was dropped before it began."""

    kind = "abandoned"


class Slots:
    """A bounded number of running jobs, first come, first served.

    A job that waits longer than `wait` seconds fails with Overloaded; one that nobody waits for
    when its turn comes is dropped with Abandoned and costs nothing.
    """

    def __init__(self, running: int, wait: float, clock: Clock) -> None:
        self._free = running
        self._running = running
        self._wait = wait
        self._clock = clock
        self._queue: deque[tuple[asyncio.Future[None], Callable[[], bool]]] = deque()
        self._typical = 0.2  # seconds that a job takes; a moving average

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Jobs that run."""
        return self._running - self._free

    def retry_after(self) -> float:
        """Seconds until a newcomer would have had its turn, between 1 and 60."""
        return min(60.0, max(1.0, self._typical * (len(self._queue) + 1) / self._running))

    @asynccontextmanager
    async def take(self, abandoned: Callable[[], bool]) -> AsyncIterator[None]:
        """Run the block when it is this job's turn; Overloaded, Abandoned."""
        await self._turn(abandoned)
        begun = self._clock.now()
        try:
            yield
        finally:
            self._typical += 0.2 * (self._clock.now() - begun - self._typical)
            self._free += 1
            self._hand_on()

    async def _turn(self, abandoned: Callable[[], bool]) -> None:
        if self._free and not self._queue:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        item = (place, abandoned)
        self._queue.append(item)
        try:
            async with asyncio.timeout(self._wait):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled() and place.exception() is None:
                # 1. the turn was given  2. the job gave up before it ran: pass the turn on
                self._free += 1
                self._hand_on()
            if isinstance(error, TimeoutError):
                raise Overloaded(retry_after=self.retry_after()) from None
            raise
        finally:
            if item in self._queue:
                self._queue.remove(item)

    def _hand_on(self) -> None:
        while self._free and self._queue:
            place, abandoned = self._queue.popleft()
            if place.done():
                continue
            if abandoned():
                place.set_exception(Abandoned())
                continue
            self._free -= 1
            place.set_result(None)
