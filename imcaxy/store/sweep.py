"""The sweep: garbage has names, and this is where they are read (design 6.7)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from imcaxy.clock import Clock
from imcaxy.grammar.variant import LOG_START
from imcaxy.store.blobs.base import Blobs
from imcaxy.store.catalog.base import Catalog, Claim, Entry
from imcaxy.store.eviction import Marks, excess, footprint, taken, victims
from imcaxy.store.watch import Watch

SIGNATURE = "sweep"  # of the claim under which one instance sweeps; no picture has this signature
_PAGE = 500  # rows read at a time
_PAGES = 200  # pages of one kind in one sweep; what is left is the next one's
_CLAIMS = 5_000  # claims looked at together
_CLAIMS_FOR = 5.0  # seconds that claims may take of one sweep: what is evicted must not wait
_BEAT = 1.0  # seconds between two signs of life
_TOGETHER = 64  # rows removed at a time: in SQLite they share one transaction and one fsync

GoOn = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long garbage is left alone, in seconds, and how much may be kept."""

    disk_limit: int  # bytes of entries and trash
    longest_response: float  # a blob that no entry names may be read for this long
    lease: float = 60.0  # a claim whose beat stands still is dead; generous, as nobody waits
    outcome_life: float = 60.0  # a signature's last claim stays this long after its end (rule 5)


@dataclass(slots=True)
class Swept:
    """What one sweep removed."""

    ran: bool = True  # False when another instance is sweeping
    claims: int = 0
    more: bool = False  # whether claims were left that nobody needs
    inert: int = 0  # entries
    evicted: int = 0  # entries
    evicted_bytes: int = 0
    blobs: int = 0
    instances: int = 0
    unfinished: int = 0  # temporary files of dead writers


class Sweep:
    """Removes what nobody can need any more; any number of instances may try, one does it.

    Every step is safe when two sweep at once (a paused process that wakes): the claim saves work,
    it is not what correctness rests on. `tidy` removes what a blob store's dead writers left.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        clock: Clock,
        incarnation: str,
        limits: Limits,
        tidy: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._clock = clock
        self._incarnation = incarnation
        self._limits = limits
        self._tidy = tidy
        self.disk_limit = limits.disk_limit  # less while the disk itself is smaller
        self._watch = Watch(catalog, clock, limits.lease)
        self._first = 1  # every record of the log below is cleared
        self._turn: Claim | None = None
        self._beat_at = 0.0
        self._beat = 0

    async def sweep_once(self) -> Swept:
        """Sweep, unless another instance does. Raises StoreError; what was done stays done."""
        swept = Swept()
        swept.ran = await self.in_turn(lambda _: self._sweep(swept))
        return swept

    async def in_turn(self, work: Callable[[GoOn], Awaitable[None]]) -> bool:
        """Do other work under the sweep's claim; False, and nothing done, when another has it.

        `work` is given what it must call about once a second to show that it goes on.
        """
        if not await self._take_turn() or self._turn is None:
            return False
        try:
            await work(self._go_on)
        finally:
            turn, self._turn = self._turn, None
            await self._catalog.end_claim(turn, "swept")
        return True

    async def _sweep(self, swept: Swept) -> None:
        swept.inert = await self._sweep_inert()
        await self._evict(swept)
        await self._sweep_claims(swept)  # meanwhile what was evicted grows old enough
        swept.blobs = await self._sweep_trash()
        swept.instances = await self._sweep_instances()
        if self._tidy is not None:
            swept.unfinished = await self._tidy()

    async def _take_turn(self) -> bool:
        claims = await self._catalog.claims(SIGNATURE)
        if claims and not (await self._watch.look(claims[0])).ended:
            return False
        mine = Claim(
            signature=SIGNATURE,
            number=claims[0].number + 1 if claims else 1,
            by=self._incarnation,
            blob="",
            keys=(),
            as_of=LOG_START,
        )
        if not await self._catalog.insert_claim(mine):
            return False
        self._turn, self._beat, self._beat_at = mine, 0, self._clock.now()
        return True

    async def _go_on(self) -> None:
        """Show that this sweep lives; before each step."""
        if self._turn is not None and self._clock.now() - self._beat_at >= _BEAT:
            self._beat += 1
            await self._catalog.beat(self._turn, self._beat)
            self._beat_at = self._clock.now()

    async def _sweep_claims(self, swept: Swept) -> None:
        """Bury the blobs of ended claims that no entry names, then remove the rows.

        They are buried, not deleted: an entry may have named such a blob, been read and been
        removed a moment ago, and its readers have until the end of the longest response. Of a claim
        that ended with its entry, whoever removes the entry buries the blob.
        """
        until = self._clock.now() + _CLAIMS_FOR
        for _ in range(_PAGES):
            page = await self._catalog.all_claims(_CLAIMS)
            highest: dict[str, int] = {}
            for claim in page:
                highest[claim.signature] = max(claim.number, highest.get(claim.signature, 0))
            free = []
            for place, claim in enumerate(page):
                if place % _TOGETHER == 0:
                    await asyncio.sleep(0)  # requests have their turn in between
                if await self._is_over(claim, is_last=claim.number == highest[claim.signature]):
                    free.append(claim)
            self._watch.keep_only(page)
            for at in range(0, len(free), _TOGETHER):
                if self._clock.now() >= until:
                    swept.more = True
                    return
                await self._go_on()
                some = free[at : at + _TOGETHER]
                await self._bury_lost(some)
                await self._catalog.delete_claims(some)
                swept.claims += len(some)
            if len(page) < _CLAIMS or not free:
                break

    async def _is_over(self, claim: Claim, *, is_last: bool) -> bool:
        """Whether its row is needed no more: it ended, and nobody can still count on its number."""
        await self._go_on()
        state = await self._watch.look(claim)
        if not state.ended or (is_last and claim.signature == SIGNATURE):  # this sweep's own
            return False
        seconds = max(state.seconds, self._clock.wall() - _outcome(claim).at)
        return not is_last or seconds >= self._limits.outcome_life

    async def _bury_lost(self, claims: Sequence[Claim]) -> None:
        lost = [claim.blob for claim in claims if claim.blob and not _outcome(claim).kept]
        named = await self._catalog.named(lost)
        now = self._clock.wall()
        await asyncio.gather(*(self._catalog.bury(each, now) for each in lost if each not in named))

    async def _sweep_inert(self) -> int:
        """Not while an invalidation is being counted and cleared: what it hits is listed there.

        Asked after a page was read: every record that made an entry of it inert was there by then.
        """
        removed = 0
        for _ in range(_PAGES):
            page = await self._catalog.inert_entries(_PAGE)
            if page and not await self._all_cleared():
                break
            await self._delete(page)
            removed += len(page)
            if len(page) < _PAGE:
                break
        return removed

    async def _all_cleared(self) -> bool:
        head = await self._catalog.head()
        waiting = await self._catalog.uncleared(self._first, 1)
        self._first = waiting[0] if waiting else max(self._first, head.number)
        return not waiting

    async def _evict(self, swept: Swept) -> None:
        marks = Marks(self.disk_limit)
        wanted = excess(taken(await self._catalog.usage()), marks)
        while wanted > 0:
            page = await self._catalog.oldest_entries(_PAGE)
            chosen = victims(page, self._clock.wall(), wanted)
            if not chosen:
                break
            await self._delete(chosen)
            freed = sum(footprint(entry.sum.length) for entry in chosen)
            wanted -= freed
            swept.evicted += len(chosen)
            swept.evicted_bytes += freed

    async def _delete(self, entries: Sequence[Entry]) -> None:
        for at in range(0, len(entries), _TOGETHER):
            await self._go_on()
            blobs = [entry.blob for entry in entries[at : at + _TOGETHER]]
            await self._catalog.delete_entries(blobs, self._clock.wall())

    async def _sweep_trash(self) -> int:
        """Delete buried blobs that nobody can be reading.

        1 A row is read, old. 2 Its entry is looked for. 3 The row is read again. Had the entry been
        removed between 1 and 2, that would have renewed the row first, and 3 does not find it old:
        a blob goes only when its entry was already gone the longest response ago. A row whose
        entry is still there stays: who wrote it may be about to remove the entry.
        """
        removed = 0
        before = self._clock.wall() - self._limits.longest_response
        for _ in range(_PAGES):
            page = await self._catalog.trash(before, _PAGE)
            named = await self._catalog.named([row.blob for row in page])
            again = set(await self._catalog.trash(before, _PAGE))
            free = [row for row in page if row.blob not in named and row in again]
            for at in range(0, len(free), _TOGETHER):
                await self._go_on()
                some = free[at : at + _TOGETHER]
                await asyncio.gather(*(self._blobs.delete(row.blob) for row in some))
                await self._catalog.delete_trash(some)
            removed += len(free)
            if len(page) < _PAGE or not free:
                break
        return removed

    async def _sweep_instances(self) -> int:
        removed = 0
        for instance in await self._catalog.instances():
            mine = instance.incarnation == self._incarnation
            if mine or not (instance.left or await self._catalog.is_gone(instance.incarnation)):
                continue
            await self._catalog.delete_instance(instance.incarnation)
            removed += 1
        return removed


class _Outcome(NamedTuple):
    at: float  # when the owner says that its job ended, in seconds since 1970 UTC
    kept: bool  # whether an entry was written with it, or before it


def _outcome(claim: Claim) -> _Outcome:
    """What the owner says; of one that says nothing, that it kept nothing and has yet to end."""
    try:
        told = orjson.loads(claim.outcome or "")
        return _Outcome(float(told["at"]), told.get("kept") is True)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return _Outcome(float("inf"), kept=False)
