"""How many pictures are made at once, by what they cost, and who waits for how long."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded, VariantTooLarge
from imcaxy.jobs.admission import Applicant, Room, choose
from imcaxy.processors.base import Cost

RESERVED_FOR = 2.0  # seconds after a short job in which the last place is kept for the next one
_MIB = 1024 * 1024
_NOTHING = Cost()


class Abandoned(Overloaded):
    """Nobody waits for this job any more; it was dropped before it began."""

    kind = "abandoned"


@dataclass(eq=False)
class _Place(Applicant):
    """One job's place in the queue."""

    turn: asyncio.Future[None] | None = None
    abandoned: Callable[[], bool] = lambda: False


class Slots:
    """A bounded number of running jobs that take a bounded amount of memory together.

    Who begins next: see `admission`. A job that waits longer than `wait` seconds fails with
    Overloaded; one that nobody waits for when its turn comes is dropped with Abandoned and costs
    nothing. `memory` is bytes, beside which short jobs have an eighth more; None is no bound.
    """

    def __init__(self, running: int, wait: float, clock: Clock, memory: int | None = None) -> None:
        self._running = running
        self._wait = wait
        self._clock = clock
        self._memory = memory
        self._now: list[Cost] = []  # of those that run
        self._queue: deque[_Place] = deque()
        self._typical = 0.2  # seconds that a job takes; a moving average
        self._short_at = float("-inf")  # when a short job was last asked for

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Jobs that run."""
        return len(self._now)

    @property
    def memory(self) -> int:
        """Bytes that the jobs that run are thought to take."""
        return sum(cost.memory for cost in self._now)

    def retry_after(self) -> float:
        """Seconds until a newcomer would have had its turn, between 1 and 60."""
        return min(60.0, max(1.0, self._typical * (len(self._queue) + 1) / self._running))

    @asynccontextmanager
    async def take(
        self, abandoned: Callable[[], bool], cost: Cost = _NOTHING
    ) -> AsyncIterator[None]:
        """Run the block when it is this job's turn.

        Raises Overloaded, Abandoned, and VariantTooLarge for one that takes more than all memory.
        """
        if self._memory is not None and cost.memory > self._memory:
            raise VariantTooLarge(
                "Making this picture takes more memory than this server grants.",
                value=f"about {-(-cost.memory // _MIB)} MiB",
                accepted=f"up to {self._memory // _MIB} MiB",
            )
        place = _Place(cost, abandoned=abandoned)
        if not place.long:
            self._short_at = self._clock.now()
        await self._turn(place)
        begun = self._clock.now()
        try:
            yield
        finally:
            self._typical += 0.2 * (self._clock.now() - begun - self._typical)
            self._leave(cost)

    async def _turn(self, place: _Place) -> None:
        if not self._queue and choose((place,), self._room()) is place:
            self._now.append(place.cost)
            return
        place.turn = turn = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._hand_on()  # a short one may begin although others wait
        try:
            async with asyncio.timeout(self._wait):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # 1. the turn was given  2. the job gave up before it ran: pass the turn on
                self._leave(place.cost)
            if isinstance(error, TimeoutError):
                raise Overloaded(retry_after=self.retry_after()) from None
            raise
        finally:
            if place in self._queue:
                self._queue.remove(place)
                self._hand_on()  # whoever may not overtake it may begin now

    def _leave(self, cost: Cost) -> None:
        self._now.remove(cost)
        self._hand_on()

    def _room(self) -> Room:
        memory = self._memory if self._memory is not None else 1 << 62
        short = self._clock.now() - self._short_at < RESERVED_FOR
        return Room.beside(self._now, self._running, memory, reserved=short and self._running > 1)

    def _hand_on(self) -> None:
        while (place := choose(self._queue, self._room())) is not None:
            self._queue.remove(place)
            turn = place.turn
            if turn is None or turn.done():
                continue
            if place.abandoned():
                turn.set_exception(Abandoned())
                continue
            self._now.append(place.cost)
            turn.set_result(None)
