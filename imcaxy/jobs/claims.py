"""One job per variant among all instances that share a catalog (design 6.6, K1 to K4).

A claim is a row `signature:k`. Whoever inserts the next k owns the job; the insert has one winner
on every engine. The row tells whose job it is (`by`), that its owner lives (`beat`), which blob it
may leave behind (`blob`) and how it ended (`outcome`). Losing a claim costs a second job, never a
wrong answer: entries are judged at every read (design I3), whoever wrote them.

The interleaving that K2 is for, with instances A, B and C:

    1. A reads the claims: none lives
    2. B inserts k=1, makes the picture, commits its entry, writes the outcome
    3. A inserts k=2: won, but the picture is there      -> A looks up again before it works
    4. C saw A silent for the lease and inserts k=3      -> A reads again and yields to k=3

Where the engine can look at claims, entries and log and insert in one step, most jobs begin by that
(`insert_first_claim`): nothing can come in between. Whatever it finds is left to the longer way.
"""

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError, StoreError
from imcaxy.grammar.variant import LogPosition
from imcaxy.jobs import outcome as outcomes
from imcaxy.jobs.slots import Abandoned
from imcaxy.store.breaker import Breaker
from imcaxy.store.catalog.base import Catalog, Claim
from imcaxy.store.kept import Kept
from imcaxy.tasks import Tasks

LEASE = (
    5.0  # seconds without a beat, on the waiter's own clock, after which an owner counts as dead
)
BEAT = 1.0  # seconds between two beats
POLL = (0.025, 0.25)  # seconds between two looks at another's claim: first, longest
RECORDS = 1000  # log records that are read at once

_log = logging.getLogger("imcaxy.jobs")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a claim is asked for."""

    signature: str
    keys: tuple[str, ...]
    applied: LogPosition  # how far in the log this instance is
    begin: Callable[[], LogPosition]  # begin the job there, in this step
    position: Callable[[], Awaitable[LogPosition]]  # the same, past every record seen by anybody
    blob: str  # the name that the blob will have
    look_up: Callable[[], Awaitable[Kept | None]]
    abandoned: Callable[[], bool]  # whether nobody here waits for it any more
    outdated: Callable[[], bool]  # whether an invalidation has made a job for it useless


class Claims:
    """Takes, holds and waits for claims in one catalog."""

    def __init__(
        self,
        catalog: Catalog,
        incarnation: str,
        clock: Clock,
        tasks: Tasks,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._catalog = catalog
        self._incarnation = incarnation
        self._clock = clock
        self._tasks = tasks
        self._jitter = jitter
        self._breaker = Breaker(clock)

    @property
    def failing(self) -> bool:
        """Whether a claim could not be written lately; what is made then is not kept."""
        return self._breaker.failing

    async def take(self, wanted: Wanted) -> Claim | Kept:
        """A claim of one's own, or the entry that another instance committed.

        Waits while another's job lives. Raises the failure that it ended with, Abandoned when
        nobody here waits any more, StoreError when the store does not answer. The caller bounds
        the time.
        """
        if wanted.outdated():
            raise Abandoned
        return await self._first(wanted) or await self._take(wanted)

    async def _take(self, wanted: Wanted) -> Claim | Kept:
        dead = 0  # highest number whose owner was found silent or overtaken by an invalidation
        while True:
            with self._breaker.guard():
                rows = await self._catalog.claims(wanted.signature)
            top = rows[0] if rows else None
            if top is not None and top.number > dead and not await self._ended(top):
                dead = await self._wait(top, wanted)
                if (kept := await wanted.look_up()) is not None:
                    return kept
                continue
            if wanted.outdated():
                raise Abandoned
            claim = self._next(wanted, await wanted.position(), top)
            with self._breaker.guard():
                inserted = await self._catalog.insert_claim(claim)
            if not inserted:
                continue
            try:
                if await self._outbid(claim):
                    await self.end(claim, outcomes.DROPPED)
                    continue
                kept = await wanted.look_up()
            except StoreError:  # nobody may wait for a job that will not keep what it makes
                await self.end(claim, outcomes.DROPPED)
                raise
            if kept is None:
                return claim
            await self.end(claim, outcomes.KEPT)
            return kept

    @asynccontextmanager
    async def held(self, claim: Claim) -> AsyncIterator[None]:
        """Show every second that the owner lives, while the block runs."""
        beating = self._tasks.start(self._beat(claim), f"beat {claim.signature[:8]}")
        try:
            yield
        finally:
            beating.cancel()

    async def end(self, claim: Claim, outcome: outcomes.Outcome) -> None:
        """Tell the others how the job ended; when the catalog fails they find out by the lease."""
        try:
            await self._catalog.end_claim(claim, outcome.render(self._clock.wall()))
        except StoreError as error:
            _log.warning("a claim's outcome was not written", extra={"reason": str(error)})

    async def _first(self, wanted: Wanted) -> Claim | None:
        """A claim that nothing stands against: K1, K2 and a look at the log in one step.

        The job begins after it, no earlier in the log than its claim says.
        """
        claim = self._next(wanted, wanted.applied, None)
        with self._breaker.guard():
            if not await self._catalog.insert_first_claim(claim):
                return None
        wanted.begin()
        return claim

    def _next(self, wanted: Wanted, as_of: LogPosition, top: Claim | None) -> Claim:
        return Claim(
            signature=wanted.signature,
            number=top.number + 1 if top else 1,
            by=self._incarnation,
            blob=wanted.blob,
            keys=wanted.keys,
            as_of=as_of,
        )

    async def _outbid(self, claim: Claim) -> bool:
        rows = await self._catalog.claims(claim.signature)
        return any(row.number > claim.number and row.outcome is None for row in rows)

    async def _ended(self, claim: Claim) -> bool:
        """Whether its job runs no more; raises its failure while that is remembered."""
        if claim.outcome is None:
            # An instance has one job per variant: one of its own is left from when the catalog
            # did not take its outcome.
            return claim.by == self._incarnation or await self._catalog.is_gone(claim.by)
        outcome = outcomes.parse(claim.outcome)
        if outcome.error is not None and outcome.fresh(self._clock.now()):
            await self._raise(outcome.error, claim)
        return True

    async def _wait(self, claim: Claim, wanted: Wanted) -> int:
        """Return when a claim's job has ended or may be taken over (K4): the number that is dead.

        Raises the failure that it ended with, remembered or not: who waited shares it.
        """
        pause, longest = POLL
        silent_since = self._clock.now()
        while True:
            await self._clock.sleep(pause * (0.5 + self._jitter()))
            pause = min(longest, pause * 1.5)
            if wanted.abandoned() or wanted.outdated():
                raise Abandoned
            asked = self._clock.now()  # a pause of this process from here on says nothing of theirs
            rows = await self._catalog.claims(claim.signature)
            if not rows:
                return claim.number
            if (rows[0].number, rows[0].beat) != (claim.number, claim.beat):
                claim, silent_since = rows[0], self._clock.now()
            if rows[0].outcome is not None:
                outcome = outcomes.parse(rows[0].outcome)
                if outcome.error is not None:
                    await self._raise(outcome.error, rows[0])
                return claim.number
            if (
                asked - silent_since >= LEASE
                or await self._catalog.is_gone(claim.by)
                or await self._invalidated(claim)
            ):
                return claim.number

    async def _raise(self, error: ImcaxyError, claim: Claim) -> None:
        """Share the failure of a claim's job, unless an invalidation came after it began."""
        if not await self._invalidated(claim):
            raise error

    async def _invalidated(self, claim: Claim) -> bool:
        """Whether a record newer than the claim names one of its keys."""
        first = claim.as_of.number + 1
        if (await self._catalog.head()).number < first:
            return False
        records = await self._catalog.records(first, RECORDS)
        return any(not set(claim.keys).isdisjoint(record.keys) for record in records)

    async def _beat(self, claim: Claim) -> None:
        beat = claim.beat
        while True:
            await self._clock.sleep(BEAT)
            beat += 1
            try:
                await self._catalog.beat(claim, beat)
            except StoreError as error:
                _log.warning("a claim's beat was not written", extra={"reason": str(error)})
