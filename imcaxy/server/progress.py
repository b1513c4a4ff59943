"""A deadline for each of many waits, at the price of one timer for all of them."""

import asyncio
from types import TracebackType
from typing import Self


class Progress:
    """Ends the block with TimeoutError when one wait in it takes longer than it may.

    `expect(seconds)` stands before each wait. It moves a deadline and leaves the timer alone, which
    looks at the deadline when it fires and is set again for what is left. An answer of many pieces
    to many readers would otherwise hold thousands of cancelled timers, which an event loop frees
    late.
    """

    __slots__ = ("_block", "_deadline", "_loop", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._block = asyncio.timeout(None)
        self._deadline = 0.0  # seconds of the loop's clock
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._block.__aexit__(kind, error, traceback)

    def expect(self, seconds: float) -> None:
        """Let the wait that follows take so many seconds from now."""
        self._deadline = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._timer = None
            self._block.reschedule(self._deadline)
