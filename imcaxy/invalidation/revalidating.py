"""Asking origins whether sources have changed (`IMCAXY_REVALIDATE_AFTER`).

Time is cut into spans of that length, and in each of them one instance asks for a source, when
somebody wants an old picture of it: the claim `revalidate:KEY`, numbered by the span, has one
winner. The picture is served meanwhile. When nothing has changed, nothing has to be written: all
its variants are as good as new until the next span. A change is an invalidation like any other, one
for all pictures of the same age: who finds it again while the first takes effect repeats that one.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError, SourceError
from imcaxy.grammar.purge_keys import file_key
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.invalidation.asked import Asked
from imcaxy.sources.base import Validators
from imcaxy.store.catalog.base import Catalog, Claim, Entry, Seen
from imcaxy.tasks import Tasks

REMEMBERED = 10_000  # sources of which it is known that they were asked for in this span
AT_ONCE = 8  # sources that are asked for at the same time; more wait for another request

_log = logging.getLogger("imcaxy.invalidation")


class Origin(Protocol):
    """Where sources can be asked for changes."""

    async def has_changed(self, source: Source, known: Validators, digest: str) -> bool:
        """Whether the source is another one by now, or gone; raises SourceError."""
        ...


class Revalidating:
    """Has each source of a picture that is old asked for once in a span, by one instance."""

    def __init__(  # noqa: PLR0913 - its parts, named at the call
        self,
        catalog: Catalog,
        origin: Origin,
        purge: Callable[[Asked], Awaitable[object]],
        incarnation: str,
        clock: Clock,
        tasks: Tasks,
        *,
        after: float,
    ) -> None:
        """`after` seconds are a span; 0 turns it off."""
        self._catalog = catalog
        self._origin = origin
        self._purge = purge
        self._incarnation = incarnation
        self._clock = clock
        self._tasks = tasks
        self._after = after
        self._asked: OrderedDict[str, int] = OrderedDict()  # URL: span
        self._running = 0

    def due(self, entry: Entry) -> None:
        """Have the entry's sources asked for, unless they were in this span; returns at once."""
        span = int(self._clock.wall() // self._after)
        for seen in entry.seen:
            if self._asked.get(seen.url) == span:
                continue
            if self._running >= AT_ONCE:
                return
            self._asked[seen.url] = span
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
            self._running += 1
            self._tasks.detach(self._revalidate(seen, entry.as_of, span), "revalidate")

    async def _revalidate(self, seen: Seen, as_of: LogPosition, span: int) -> None:
        try:
            await self._ask(seen, as_of, span)
        except SourceError as error:  # it stays as it is; the next span asks again
            _log.info("a source did not tell of changes", extra={"reason": str(error)})
        except ImcaxyError as error:
            _log.warning("a source was not revalidated", extra={"reason": str(error)})
        finally:
            self._running -= 1

    async def _ask(self, seen: Seen, as_of: LogPosition, span: int) -> None:
        source = Source("url", seen.url)
        claim = Claim(
            signature=f"revalidate:{file_key(source)}",
            number=span,
            by=self._incarnation,
            blob="",
            keys=(),
            as_of=LOG_START,
        )
        if not await self._catalog.insert_claim(claim):
            return
        try:
            known = Validators(seen.etag, seen.modified)
            if await self._origin.has_changed(source, known, seen.digest):
                # Whatever the span: no picture of this age outlives the record.
                request = f"{claim.signature}:{as_of.number}"
                await self._purge(Asked(request=request, urls=(seen.url,)))
        finally:
            await self._catalog.end_claim(claim, "asked")
