"""A clock that stands still until a test advances it."""

import asyncio
from collections.abc import Callable

from imcaxy.clock import Clock


class FakeClock(Clock):
    """Time moves only by `advance`; sleepers wake in the order of their deadlines."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self.slept = asyncio.Event()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_700_000_000.0 + self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self._now + seconds, woken))
        self.slept.set()
        await woken.wait()

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move on, waking who is due, and let them run until they wait again."""
        until = self._now + seconds
        while due := sorted((s for s in self._sleepers if s[0] <= until), key=lambda s: s[0]):
            deadline, woken = due[0]
            self._sleepers.remove(due[0])
            self._now = max(self._now, deadline)
            woken.set()
            await settle()
        self._now = until
        await settle()

    def suspend(self, seconds: float) -> None:
        """Move on while the process does not run: nobody wakes before the next `advance`."""
        self._now += seconds


class Told(Clock):
    """Says the time that a test sets; who sleeps does so by the machine's clock."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Interrupting(Clock):
    """The machine's clock that calls something at the end of the second sleep.

    That is before the event loop has looked at its sockets again.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._sleeps = 0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self._sleeps += 1
        if self._sleeps == 2:
            self._call()


async def settle(rounds: int = 50) -> None:
    """Let every task that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
