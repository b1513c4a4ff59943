"""Removing what a record made inert, behind the answer (design 6.3 P3)."""

import logging

from imcaxy.clock import Clock
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.removed import Removed
from imcaxy.store.catalog.base import CONFIRMED, Catalog, Cleared, LogRecord

PAGE = 25  # entries removed in one step of the catalog: no hit waits for more of them
REST = 3  # times as long as a page took, nothing is cleared: nobody waits for it
_RECORDS = 1000  # uncleared records looked at in one round

_log = logging.getLogger("imcaxy.invalidation")


class Clearing:
    """Clears records, idempotently; any instance may finish what another began.

    Correctness does not rest on it: every read judges by the log (I3). It frees the disk, and keeps
    for ever what went.
    """

    def __init__(self, catalog: Catalog, confirming: Confirming, clock: Clock) -> None:
        self._catalog = catalog
        self._confirming = confirming
        self._clock = clock
        self._first = 1  # every record below is cleared
        self._seen: dict[int, float] = {}  # uncleared record: Clock.now() at which it was seen

    async def confirm(self, number: int) -> None:
        """Keep that every instance has applied the record; raises StoreError."""
        await self._catalog.add_cleared(Cleared(number, CONFIRMED))

    async def clear(self, record: LogRecord) -> int:
        """Bury and forget everything that the record made stale; how many entries.

        A page is written before its entries go: what was removed is never missing from the record,
        and may stand there twice. Raises StoreError; the next to call goes on.
        """
        pages = await self._catalog.cleared(record.number)
        if any(page.last for page in pages):
            return 0
        page = max((page.page for page in pages), default=CONFIRMED) + 1
        removed = 0
        began = self._clock.now()
        while entries := await self._catalog.stale(record.keys, record.number, PAGE):
            images = tuple(str(Removed.of(entry)) for entry in entries)
            page = await self._write(record.number, page, images)
            blobs = [entry.blob for entry in entries]
            await self._catalog.delete_entries(blobs, self._clock.wall())
            removed += len(entries)
            await self._clock.sleep(REST * (self._clock.now() - began))
            began = self._clock.now()
        await self._write(record.number, page, (), last=True)
        return removed

    async def finish(self) -> None:
        """Confirm and clear records that nobody finished, as far as it can be done now.

        One that is here for the first time is left to whoever wrote it. Raises StoreError.
        """
        numbers = await self._catalog.uncleared(self._first, _RECORDS)
        before, now = self._seen, self._clock.now()
        self._seen = {number: before.get(number, now) for number in numbers}
        for number in before.keys() & self._seen.keys():
            since = before[number]
            pages = await self._catalog.cleared(number)
            if not any(page.page == CONFIRMED for page in pages):
                if await self._confirming.unconfirmed(number, since):
                    continue
                await self.confirm(number)
            (record,) = await self._catalog.records(number, 1)
            removed = await self.clear(record)
            _log.info("an invalidation was cleared", extra={"number": number, "removed": removed})
        if len(numbers) < _RECORDS:
            left = await self._catalog.uncleared(self._first, 1)
            self._first = left[0] if left else max((self._first, *numbers))

    async def _write(
        self, number: int, page: int, images: tuple[str, ...], *, last: bool = False
    ) -> int:
        """Keep a page under the first free number from `page` on; the number behind it."""
        while not await self._catalog.add_cleared(Cleared(number, page, images, last=last)):
            page += 1
        return page + 1
