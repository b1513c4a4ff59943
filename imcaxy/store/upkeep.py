"""What goes on beside the requests: the sweep, the disk's room, the scrub."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from imcaxy.clock import Clock
from imcaxy.errors import BlobError, StoreError
from imcaxy.store.blobs.base import Blobs
from imcaxy.store.catalog.base import Catalog
from imcaxy.store.eviction import marks_within, taken
from imcaxy.store.room import DiskRoom
from imcaxy.store.scrub import Scrub
from imcaxy.store.store import Store
from imcaxy.store.sweep import Limits, Sweep

MIB = 1024 * 1024
NEARLY_FULL = 64 * MIB  # bytes; with less room than this `check` fails
EVERY = 60.0  # seconds between two sweeps
LONGEST_RESPONSE = 900.0  # seconds that a response may read a blob piece by piece
_PRESSED = 3.0  # the same while the disk fills up
_SLICE = 10.0  # seconds of the scrub at a time; meanwhile no other instance can sweep
_USE_PART = 8  # uses are written this often in the time that the oldest entry has been idle
_USE_STEP = 30.0  # seconds; uses are not written more often than this
_SELDOM = 3600.0  # seconds; the same where nothing has to be evicted soon

_log = logging.getLogger("imcaxy.upkeep")


class Local(Protocol):
    """A blob store on this machine's disk."""

    async def free(self) -> int:
        """Bytes that blobs may still take of the file system."""
        ...


@dataclass(frozen=True, slots=True)
class Care:
    """How the store is kept up."""

    store_timeout: float  # seconds that a look-up may take, from the entry to its open blob
    scrub_rate: int  # bytes verified per second; 0 verifies none
    local: Local | None  # None: the blobs are elsewhere

    @property
    def grace(self) -> float:
        """Seconds that a buried blob may still be asked for by its name.

        A file is open when its look-up ends, and its removal then harms nobody who reads it. Who
        comes too late all the same (a process that was paused) looks up again. Of a bucket each
        piece is asked for by name, until the response's end.
        """
        return LONGEST_RESPONSE if self.local is None else self.store_timeout


class Upkeep:
    """Sweeps now and then, and whenever the disk fills up; scrubs in between.

    Every instance runs one; those that share a catalog take turns under the sweep's claim.
    """

    def __init__(  # noqa: PLR0913 - the parts of one store, named at the one call
        self,
        *,
        catalog: Catalog,
        blobs: Blobs,
        store: Store,
        room: DiskRoom,
        clock: Clock,
        incarnation: str,
        care: Care,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._room = room
        self._clock = clock
        self._local = care.local
        limits = Limits(disk_limit=room.marks.limit, longest_response=care.grace)
        self._sweep = Sweep(catalog, blobs, clock, incarnation, limits, blobs.remove_unfinished)
        rate = care.scrub_rate if care.local is not None else 0  # a bucket verifies its own
        self._scrub = Scrub(catalog, blobs, clock, rate, store.forget_damaged)
        self._stopping = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Go on until then; a store that fails is tried again."""
        self._stopping = stopping
        while not stopping.is_set():
            begun, every = self._clock.now(), EVERY
            try:
                if await self.round():
                    every = 0.0
                while not self._hurried and self._clock.now() - begun < every - _SLICE:
                    if self._scrub.rests or not await self._sweep.in_turn(self._scrub_some):
                        break
            except StoreError as error:
                _log.warning("the sweep gave up", extra={"reason": str(error)})
            await self._pause(begun + every)

    async def round(self) -> bool:
        """Learn what is taken, sweep, and learn what that has changed. Raises StoreError.

        True when there is more to sweep.
        """
        await self._read()
        self._sweep.disk_limit = self._room.marks.limit
        swept = await self._sweep.sweep_once()
        if swept.evicted or swept.blobs:
            await self._read()
        if swept.evicted:
            facts = {"entries": swept.evicted, "bytes": swept.evicted_bytes}
            _log.info("kept pictures were evicted: the disk's limit is near", extra=facts)
        return swept.more

    async def _read(self) -> None:
        await self._store.prune()  # a deleted file that is open still takes its room
        since = self._room.recorded
        usage = await self._catalog.usage()
        sharers = sum(not instance.left for instance in await self._catalog.instances())
        free = await self._local.free() if self._local is not None else None
        self._room.learn(usage, max(1, sharers), free, since=since)
        step = _SELDOM
        if taken(usage).total > self._room.marks.limit // 2:
            for oldest in await self._catalog.oldest_entries(1):
                idle = self._clock.wall() - oldest.used
                step = min(_SELDOM, max(_USE_STEP, idle / _USE_PART))
        self._store.note_uses_every(step)

    @property
    def _hurried(self) -> bool:
        return self._stopping.is_set() or self._room.pressed

    async def _scrub_some(self, go_on: Callable[[], Awaitable[None]]) -> None:
        await self._scrub.go_on(_SLICE, go_on, self._stopping.is_set)

    async def _pause(self, until: float) -> None:
        """Until then, or until the disk fills up or the end; a moment at least."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _PRESSED)
            if self._hurried or self._clock.now() >= until:
                return


async def disk_outlook(catalog: Catalog, local: Local, limit: int) -> str:
    """What of the disk's limit is taken, as servers count it, and whether the disk can hold it.

    Raises BlobError when hardly anything new could be kept.
    """
    usage, free = await catalog.usage(), await local.free()
    used, within = taken(usage).total, marks_within(limit, usage).limit
    unused = limit - within
    found = f"{(used + unused) // MIB} MiB of {limit // MIB} MiB are taken (IMCAXY_DISK_LIMIT)"
    if unused >= MIB:
        found += f", {unused // MIB} MiB of them by the catalog's file beside its rows"
    if used + free < min(within, NEARLY_FULL):
        raise BlobError(f"{found}, and the disk is nearly full: {free // MIB} MiB are free.")
    if used + free < within:
        return f"{found}; warning: the disk has only {free // MIB} MiB left, so pictures go sooner"
    return found
