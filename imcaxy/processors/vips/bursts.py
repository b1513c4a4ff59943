"""Several jobs with the same source, one after another in one child."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from imcaxy.errors import Overloaded
from imcaxy.processors.vips.children import Child


@dataclass(eq=False)
class _Loan:
    """What the jobs of one burst share."""

    jobs: int = 0  # that have not left
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    child: Child | None = None


class Bursts:
    """Keeps one child for all jobs of a burst, from the first that comes to the last that leaves.

    After one that died or was left in the middle the next job gets another, so that a crash costs
    the job that met it. A job waits `wait` seconds at most for those before it.
    """

    def __init__(
        self,
        borrow: Callable[[], Awaitable[Child]],
        give_back: Callable[[Child], None],
        wait: float,
    ) -> None:
        self._borrow = borrow
        self._give_back = give_back
        self._wait = wait
        self._loans: dict[str, _Loan] = {}

    @asynccontextmanager
    async def lent(self, burst: str) -> AsyncIterator[Child]:
        """The burst's child, when it is this job's turn; Overloaded, or what borrowing raises."""
        loan = self._loans.setdefault(burst, _Loan())
        loan.jobs += 1
        try:
            await self._turn(loan)
            try:
                self._return(loan, unless=_usable)
                loan.child = child = loan.child or await self._borrow()
                yield child
            finally:
                loan.turn.release()
        finally:
            loan.jobs -= 1
            if not loan.jobs:
                del self._loans[burst]
                self._return(loan)

    async def _turn(self, loan: _Loan) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await loan.turn.acquire()
        except TimeoutError:
            raise Overloaded(retry_after=1) from None

    def _return(self, loan: _Loan, unless: Callable[[Child], bool] = lambda _: False) -> None:
        if loan.child is not None and not unless(loan.child):
            self._give_back(loan.child)
            loan.child = None


def _usable(child: Child) -> bool:
    return child.clean and child.alive
