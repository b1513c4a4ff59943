"""Reads kept pictures in the background, so that damage is found before a visitor finds it."""

import logging
import secrets
from collections.abc import Awaitable, Callable

from imcaxy.clock import Clock
from imcaxy.errors import BlobCorrupt, BlobMissing
from imcaxy.store.blobs.base import Blobs
from imcaxy.store.catalog.base import Catalog, Entry
from imcaxy.store.kept import close

REST = 86_400.0  # seconds from the end of one pass over all pictures to the next
_PAGE = 200  # entries read at a time
_SLACK = 0.05  # seconds that reading may be ahead of its rate before it waits

_log = logging.getLogger("imcaxy.scrub")


class Scrub:
    """Reads `rate` bytes per second at most; what is missing or damaged goes to `damaged`.

    The first pass begins anywhere: servers that are restarted often come by all pictures, too.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        clock: Clock,
        rate: int,
        damaged: Callable[[Entry, str], Awaitable[None]],
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._clock = clock
        self._rate = rate
        self._damaged = damaged
        self._after = secrets.token_hex(16)  # the name of the blob that was verified last
        self._from_start = False
        self._rests_until = 0.0
        self._verified = 0  # bytes, in this pass

    @property
    def rests(self) -> bool:
        """Whether there is nothing to do for now."""
        return self._rate == 0 or self._clock.now() < self._rests_until

    async def go_on(
        self, seconds: float, go_on: Callable[[], Awaitable[object]], ends: Callable[[], bool]
    ) -> int:
        """Verify for about so many seconds, or to the end of the pass; how many pictures.

        `go_on` is called before each; when `ends` comes true, it ends soon. Raises StoreError.
        """
        begun, spent, seen = self._clock.now(), 0, 0
        while not self.rests:
            page = await self._catalog.entries_after(self._after, _PAGE)
            for entry in page:
                await go_on()
                spent = await self._verify(entry, begun, spent, ends)
                if ends():
                    return seen
                self._after = entry.blob
                seen += 1
                if self._clock.now() - begun >= seconds:
                    return seen
            if len(page) < _PAGE:
                self._end_pass()
        return seen

    async def _verify(
        self, entry: Entry, begun: float, spent: int, ends: Callable[[], bool]
    ) -> int:
        pieces = self._blobs.read(entry.blob, entry.sum)
        try:
            async for piece in pieces:
                spent += len(piece)
                ahead = spent / self._rate - (self._clock.now() - begun)
                if ends():
                    return spent
                if ahead > _SLACK:
                    await self._clock.sleep(ahead)
        except (BlobMissing, BlobCorrupt) as error:
            # It may have been evicted since the page was read.
            if await self._catalog.named((entry.blob,)):
                await self._damaged(entry, error.kind)
        finally:
            await close(pieces)
        self._verified += entry.sum.length
        return spent

    def _end_pass(self) -> None:
        if self._from_start:
            self._rests_until = self._clock.now() + REST
            _log.info("all kept pictures were verified", extra={"bytes": self._verified})
        self._after, self._from_start, self._verified = "", True, 0
