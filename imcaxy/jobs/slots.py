"""How many pictures are made at once, by what they cost, and who waits for how long."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from imcaxy.clock import Clock
from imcaxy.errors import Overloaded, VariantTooLarge
from imcaxy.jobs.admission import MOST_OVERTAKEN, Applicant, Room, choose
from imcaxy.processors.base import Cost

MOST_TOGETHER = 16  # jobs of one burst
RESERVED_FOR = 2.0  # seconds after a short job in which the last place is kept for the next one
_MIB = 1024 * 1024
_NOTHING = Cost()


class Abandoned(Overloaded):
    """Nobody waits for this job any more; it was dropped before it began."""

    kind = "abandoned"


@dataclass(eq=False)
class _Grant:
    """One of the places, taken by a job or by a burst of them."""

    cost: Cost
    jobs: int = 0  # that have not left
    begun: int = 0
    burst: str | None = None  # the key of the pixels that they share


@dataclass(eq=False)
class _Place(Applicant):
    """One job's place in the queue."""

    abandoned: Callable[[], bool] = lambda: False
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    grant: _Grant | None = None  # once it is its turn


class Slots:
    """A bounded number of running jobs that take a bounded amount of memory together.

    Who begins next: see `admission`. Who then waits for the same pixels begins too, as a burst, in
    the same place; the pixels are counted. A job that waits longer than `wait` seconds fails with
    Overloaded; one that nobody waits for when its turn comes is dropped with Abandoned and costs
    nothing. `memory` is bytes, beside which short jobs have an eighth more; None is no bound.
    """

    def __init__(self, running: int, wait: float, clock: Clock, memory: int | None = None) -> None:
        self._running = running
        self._wait = wait
        self._clock = clock
        self._memory = memory
        self._now: list[_Grant] = []
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
        return sum(grant.jobs for grant in self._now)

    @property
    def memory(self) -> int:
        """Bytes that the jobs that run are thought to take."""
        return sum(grant.cost.memory for grant in self._now)

    def retry_after(self) -> float:
        """Seconds until a newcomer would have had its turn, between 1 and 60."""
        return min(60.0, max(1.0, self._typical * (len(self._queue) + 1) / self._running))

    @asynccontextmanager
    async def take(
        self, abandoned: Callable[[], bool], cost: Cost = _NOTHING
    ) -> AsyncIterator[str | None]:
        """Run the block when it is this job's turn, with the key of its pixels if it is in a burst.

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
        grant = await self._turn(place)
        begun = self._clock.now()
        try:
            yield grant.burst
        finally:
            self._typical += 0.2 * (self._clock.now() - begun - self._typical)
            self._leave(grant)

    async def _turn(self, place: _Place) -> _Grant:
        self._queue.append(place)
        try:
            if place.cost.pixels is not None:
                await asyncio.sleep(0)  # let those come who waited for the same source
            self._hand_on()  # a short one may begin although others wait
            if place.grant is None:
                async with asyncio.timeout(self._wait):
                    await place.turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.grant is not None:
                # 1. the turn was given  2. the job gave up before it ran: pass the turn on
                self._leave(place.grant)
            if isinstance(error, TimeoutError):
                raise Overloaded(retry_after=self.retry_after()) from None
            raise
        finally:
            if place in self._queue:
                self._queue.remove(place)
                self._hand_on()  # whoever may not overtake it may begin now
        assert place.grant is not None  # noqa: S101 - its turn has come
        return place.grant

    def _leave(self, grant: _Grant) -> None:
        grant.jobs -= 1
        if not grant.jobs:
            self._now.remove(grant)
        self._hand_on()

    def _room(self) -> Room:
        memory = self._memory if self._memory is not None else 1 << 62
        short = self._clock.now() - self._short_at < RESERVED_FOR
        costs = [grant.cost for grant in self._now]
        return Room.beside(costs, self._running, memory, reserved=short and self._running > 1)

    def _hand_on(self) -> None:
        for grant in self._now:
            self._fill(grant)
        while (place := choose(self._queue, self._room())) is not None:
            grant = _Grant(place.cost)
            if self._begin(place, grant):
                self._now.append(grant)
                self._share(place, grant)

    def _begin(self, place: _Place, grant: _Grant) -> bool:
        """Give a job its turn, in that place; whether it takes it."""
        self._queue.remove(place)
        if place.turn.done():
            return False
        if place.abandoned():
            place.turn.set_exception(Abandoned())
            return False
        place.grant = grant
        place.turn.set_result(None)
        grant.jobs += 1
        grant.begun += 1
        return True

    def _share(self, first: _Place, grant: _Grant) -> None:
        """Make a burst of a job that begins, where others need its pixels and memory is free."""
        pixels = first.cost.pixels
        if pixels is None or pixels.memory > self._unclaimed():
            return
        if any(place.cost.pixels == pixels and not place.abandoned() for place in self._queue):
            grant.burst = pixels.key
            grant.cost = _and(grant.cost, pixels.memory)
            self._fill(grant)

    def _fill(self, grant: _Grant) -> None:
        """Let all begin that belong to a burst and fit."""
        if grant.burst is None:
            return
        for place in list(self._queue):
            pixels = place.cost.pixels
            if pixels is None or pixels.key != grant.burst or grant.begun == MOST_TOGETHER:
                continue
            more = max(place.cost.memory + pixels.memory - grant.cost.memory, 0)
            if more <= self._unclaimed() and self._begin(place, grant):
                grant.cost = _and(grant.cost, more)

    def _unclaimed(self) -> int:
        """Bytes that a burst may take beside; none while somebody has waited long enough."""
        claimed = any(place.overtaken >= MOST_OVERTAKEN for place in self._queue)
        return 0 if claimed else max(self._room().memory, 0)


def _and(cost: Cost, memory: int) -> Cost:
    """The cost, and so many bytes more."""
    return cost._replace(memory=cost.memory + memory)
