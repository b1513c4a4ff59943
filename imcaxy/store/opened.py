"""Verified blobs that are open: the second disk hit asks neither catalog nor directory."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from imcaxy.clock import Clock
from imcaxy.store.blobs.base import OpenBlob
from imcaxy.store.catalog.base import Entry

VERIFIED_FOR = 600.0  # seconds until what was verified is verified again
_TOGETHER = 256  # files looked at in one step of the event loop: half a millisecond


@dataclass(slots=True)
class Opened:
    """An entry whose blob is open."""

    tier: ClassVar[str] = "disk"
    body: ClassVar[None] = None

    entry: Entry
    blob: OpenBlob
    until: float  # seconds of Clock.now
    hits: int = 0
    offer_at: int = 4  # hits at which the picture is offered to the memory tier again
    name: str = field(init=False)  # of this copy
    length: int = field(init=False)  # bytes

    def __post_init__(self) -> None:
        self.name = self.entry.blob
        self.length = self.entry.sum.length


class OpenBlobs:
    """At most `limit` open blobs by signature; the one not used for longest goes first.

    Obeys invalidations as the memory tier does: every call is one step (design 6.4, I1 and I2).
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._by_key: dict[str, set[str]] = {}  # purge key: signatures

    def __len__(self) -> int:
        return len(self._opened)

    def get(self, signature: str) -> Opened | None:
        """The entry and its open blob, unless it has to be verified anew."""
        found = self._opened.get(signature)
        if found is None:
            return None
        if found.blob.stale or self._clock.now() >= found.until:
            self.drop(signature)
            return None
        self._opened.move_to_end(signature)
        found.hits += 1
        return found

    def holds(self, signature: str) -> bool:
        """Whether `get` would give it now; no hit counts."""
        found = self._opened.get(signature)
        return found is not None and not found.blob.stale and self._clock.now() < found.until

    def put(self, entry: Entry, blob: OpenBlob) -> None:
        """Keep a blob open that has just been verified; nothing older takes a newer one's place."""
        before = self._opened.get(entry.signature)
        if before is not None and before.entry.as_of.number > entry.as_of.number:
            return
        self.drop(entry.signature)
        until = self._clock.now() + VERIFIED_FOR
        self._opened[entry.signature] = Opened(entry, blob, until)
        for key in entry.keys:
            self._by_key.setdefault(key, set()).add(entry.signature)
        while len(self._opened) > self._limit:
            self.drop(next(iter(self._opened)))

    def drop(self, signature: str) -> None:
        """Forget one; one that is not open is no error."""
        found = self._opened.pop(signature, None)
        if found is None:
            return
        for key in found.entry.keys:
            signatures = self._by_key.get(key, set())
            signatures.discard(signature)
            if not signatures:
                self._by_key.pop(key, None)

    def drop_keys(self, keys: Iterable[str], below: int) -> None:
        """Forget what has one of these purge keys and `as_of` below."""
        for key in keys:
            for signature in tuple(self._by_key.get(key, ())):
                if self._opened[signature].entry.as_of.number < below:
                    self.drop(signature)

    def clear(self) -> None:
        """Forget everything."""
        self._opened.clear()
        self._by_key.clear()

    async def prune(self) -> None:
        """Forget what was deleted meanwhile, so that its room on the disk becomes free.

        Requests have their turn in between.
        """
        for looked, (signature, found) in enumerate(tuple(self._opened.items())):
            if looked % _TOGETHER == 0:
                await asyncio.sleep(0)
            if not found.blob.unchanged() and self._opened.get(signature) is found:
                self.drop(signature)
