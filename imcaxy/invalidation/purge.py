"""A purge: one record in the log is the invalidation, the rest is knowing that it took effect.

P1 append the record. P2 wait until every instance has applied it. P3 clear, behind the answer.
A purge belongs to the server: a caller that leaves changes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from imcaxy.clock import Clock
from imcaxy.errors import (
    InvalidationUnknown,
    InvalidationUnrecorded,
    ProjectUnknown,
    RequestReused,
    StoreError,
)
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.asked import Asked, targets
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.store.catalog.base import CONFIRMED, Catalog, Entry, LogRecord
from imcaxy.tasks import Tasks

COUNTED = 20_000  # entries that are counted under one target
LISTED = 1_000  # entries that an answer lists
_ATTEMPTS = 100  # numbers that are tried for one record; each was taken by another purge

_log = logging.getLogger("imcaxy.invalidation")


@dataclass(frozen=True, slots=True)
class Report:
    """How an invalidation stands."""

    record: LogRecord
    unconfirmed: tuple[str, ...] = ()  # instances that may still serve what it made stale
    counts: Mapping[str, int] | None = None  # entries hit, by target; None when not counted
    hits: Sequence[Entry] = ()  # the first LISTED of them
    removed: int | None = None  # entries
    removed_images: tuple[str, ...] = ()  # those that are cleared
    cleared: bool = False
    dry_run: bool = False


class Purger:
    """Writes invalidations and says how they stand."""

    def __init__(
        self,
        catalog: Catalog,
        confirming: Confirming,
        clearing: Clearing,
        clock: Clock,
        tasks: Tasks,
        timeout: float,
    ) -> None:
        """`timeout` seconds are waited for instances that do not confirm."""
        self._catalog = catalog
        self._confirming = confirming
        self._clearing = clearing
        self._clock = clock
        self._tasks = tasks
        self._timeout = timeout
        self.recorded = 0  # invalidations that were written, or found written, here
        self._appended: Callable[[], Awaitable[None]] | None = None

    def at_append(self, call: Callable[[], Awaitable[None]]) -> None:
        """Let `call` run as soon as a record is written: this process then applies it at once."""
        self._appended = call

    async def purge(self, asked: Asked) -> Report:
        """Invalidate what is asked for; when it returns the record is durable.

        `unconfirmed` is empty when no instance can serve what it made stale any more. Raises
        InvalidationMalformed, RequestReused, and InvalidationUnrecorded, after which the same
        request may be repeated. Cancelling it leaves the purge alone.
        """
        work = self._tasks.start(self._purge(asked), f"purge {asked.request[:8]}")
        return await asyncio.shield(work)

    async def dry_run(self, asked: Asked) -> Report:
        """What the call would hit now; nothing is written. Raises StoreError."""
        keys = asked.keys()
        head = await self._catalog.head()
        record = self._record(asked, head, keys)
        counts, hits = await self._count(record, keys)
        return Report(record, counts=counts, hits=hits, removed=_total(counts, hits), dry_run=True)

    async def status(self, number: int) -> Report:
        """How the record stands now. Raises InvalidationUnknown, StoreError."""
        found = await self._catalog.records(number, 1)
        if number < 1 or not found or found[0].number != number:
            raise InvalidationUnknown(value=str(number), accepted="the number of an invalidation")
        return await self._standing(found[0])

    async def latest(self, project: str) -> Report:
        """The project's latest invalidation with a commit. Raises ProjectUnknown, StoreError."""
        record = await self._catalog.latest(project)
        if record is None:
            raise ProjectUnknown(value=project, accepted="a project that has invalidated before")
        return await self._standing(record)

    async def _purge(self, asked: Asked) -> Report:
        keys = asked.keys()
        try:
            record = await self._append(asked, keys)
        except StoreError as error:
            raise InvalidationUnrecorded(
                "The invalidation may not have been recorded; repeat it with the same request.",
                value=asked.request,
                retry_after=1.0,
            ) from error
        self.recorded += 1
        since = self._clock.now()
        if self._appended is not None:
            await self._appended()
        counting = self._tasks.start(self._count_quietly(record, keys), "count hits")
        try:
            names = await self._confirming.wait(record.number, since, self._timeout)
            if not names:
                await self._clearing.confirm(record.number)
        except StoreError as error:
            _log.warning("an invalidation cannot be confirmed", extra={"reason": str(error)})
            names = ("the catalog does not answer",)
        counts, hits = await counting
        if not names:
            self._tasks.detach(self._clear(record), "clear")
        removed = None if counts is None else _total(counts, hits)
        return Report(record, names, counts, hits, removed)

    async def _append(self, asked: Asked, keys: Mapping[str, str]) -> LogRecord:
        """The record, durable (P1): a new one, or that of an earlier call with this request."""
        for _ in range(_ATTEMPTS):
            mine = await self._catalog.record_of(asked.request)
            if mine is not None:
                if set(mine.keys) != set(keys.values()) or mine.commit != asked.commit:
                    raise RequestReused(value=asked.request, accepted="a request id of its own")
                return mine
            record = self._record(asked, await self._catalog.head(), keys)
            if await self._catalog.append(record):
                return record
        raise InvalidationUnrecorded(value=asked.request, retry_after=1.0)

    def _record(self, asked: Asked, head: LogPosition, keys: Mapping[str, str]) -> LogRecord:
        return LogRecord(
            number=head.number + 1,
            request=asked.request,
            keys=tuple(dict.fromkeys(keys.values())),
            urls=tuple(targets(asked)),
            project=asked.project,
            commit=asked.commit,
            at=self._clock.wall(),
        )

    async def _count_quietly(
        self, record: LogRecord, keys: Mapping[str, str]
    ) -> tuple[Mapping[str, int] | None, Sequence[Entry]]:
        try:
            return await self._count(record, keys)
        except StoreError as error:
            _log.warning("what was hit could not be counted", extra={"reason": str(error)})
            return None, ()

    async def _count(
        self, record: LogRecord, keys: Mapping[str, str]
    ) -> tuple[Mapping[str, int], Sequence[Entry]]:
        by_key = await self._catalog.count_hits(record.keys, record.number, COUNTED)
        hit = [key for key in record.keys if by_key[key]]
        hits = await self._catalog.hits(hit, record.number, LISTED) if hit else ()
        return {target: by_key[key] for target, key in keys.items()}, hits

    async def _clear(self, record: LogRecord) -> None:
        try:
            await self._clearing.clear(record)
        except StoreError as error:  # left to whoever looks for unfinished records
            _log.warning("an invalidation waits to be cleared", extra={"reason": str(error)})

    async def _standing(self, record: LogRecord) -> Report:
        pages = await self._catalog.cleared(record.number)
        names: tuple[str, ...] = ()
        if not any(page.page == CONFIRMED for page in pages):
            names = await self._confirming.unconfirmed(record.number, self._clock.now())
        images = tuple(image for page in pages for image in page.removed)
        cleared = any(page.last for page in pages)
        return Report(record, names, removed=len(images), removed_images=images, cleared=cleared)


def _total(counts: Mapping[str, int], hits: Sequence[Entry]) -> int:
    """Entries hit: each once as long as all are listed, else once for each target."""
    return len(hits) if len(hits) < LISTED else sum(counts.values())
