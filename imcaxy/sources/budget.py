"""A bound that is waited for."""

import asyncio
from collections import deque

from imcaxy.errors import Overloaded


class Budget:
    """At most `limit` units (bytes, slots) are out at a time; first come, first served.

    `waiting` bounds the queue and `timeout` (seconds) a wait in it; past either: Overloaded.
    """

    def __init__(self, limit: int, *, waiting: int, timeout: float) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting = waiting
        self._timeout = timeout
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    async def take(self, units: int) -> None:
        """Take units out, waiting for them if need be; Overloaded, and then nothing is taken."""
        if not self._queue and self.taken + units <= self.limit:
            self.taken += units
            return
        if len(self._queue) >= self._waiting or units > self.limit:
            raise self._overloaded()
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((units, turn))
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except BaseException as error:
            self._leave(units, turn)
            if isinstance(error, TimeoutError):
                raise self._overloaded() from error
            raise

    def give(self, units: int) -> None:
        """Put units back and let those proceed who wait for them."""
        self.taken -= units
        self._proceed()

    def _leave(self, units: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.give(units)  # the turn came in the very step in which the waiter was cancelled
            return
        if (units, turn) in self._queue:  # gone when `_proceed` met it cancelled
            self._queue.remove((units, turn))
        self._proceed()  # a smaller one may have stood behind this

    def _proceed(self) -> None:
        while self._queue and self.taken + self._queue[0][0] <= self.limit:
            units, turn = self._queue.popleft()
            if turn.cancelled():
                continue
            self.taken += units
            turn.set_result(None)

    def _overloaded(self) -> Overloaded:
        return Overloaded("Too many sources are being fetched.", retry_after=self._timeout)
