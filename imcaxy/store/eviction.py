"""What a full disk gives up first (docs/decisions/disk-eviction.md). Pure."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imcaxy.store.catalog.base import Entry, Usage

_BLOCK = 4096  # bytes; what file systems give a file by
_ROW = 2560  # bytes that an entry takes in the catalog, indexes included (benchmarks/lookup.py)
_CLAIM = 1024  # bytes that a claim takes there, with an outcome and the keys of a deep folder
_IDLE = 60.0  # seconds; below this nobody can tell a forgotten picture from one between two uses
_CHEAP = 0.01  # seconds; no picture is cheaper to make again


@dataclass(frozen=True, slots=True)
class Marks:
    """The bytes at which eviction begins and ends, and which are never passed."""

    limit: int

    @property
    def high(self) -> int:
        """Above it eviction begins: a tenth of the limit is left for what arrives meanwhile."""
        return self.limit // 10 * 9

    @property
    def low(self) -> int:
        """Entries are evicted down to this."""
        return self.limit // 10 * 8


class Taken(NamedTuple):
    """Estimated bytes on the disk, rows and the ends of blocks included."""

    entries: int
    claims: int
    goes: int  # by itself: trash, and claims that may come before they are counted again

    @property
    def total(self) -> int:
        """Of all."""
        return self.entries + self.claims + self.goes


def taken(usage: Usage) -> Taken:
    """What the rows' blobs and the rows themselves take."""
    each = _BLOCK // 2 + _ROW  # on average half of the last block is empty
    goes = usage.trash_bytes + usage.trash * each + _coming(usage)
    return Taken(usage.entry_bytes + usage.entries * each, usage.claims * _CLAIM, goes)


def slack(usage: Usage) -> int:
    """Bytes of the catalog's file beyond what its rows are counted as.

    A row that goes leaves its room in the file to those that come, and nothing to the disk.
    """
    return max(0, usage.catalog_bytes - _rows(usage))


def _rows(usage: Usage) -> int:
    """What the rows that are there are counted as: more than most of them take."""
    return (usage.entries + usage.trash) * _ROW + usage.claims * _CLAIM


def _coming(usage: Usage) -> int:
    """What claims may come to take before they are counted again: as much as those that are there.

    Less by what the rows are counted beyond the file, where its size is known.
    """
    coming = usage.claims * _CLAIM
    spare = _rows(usage) - usage.catalog_bytes if usage.catalog_bytes else 0
    return min(coming, max(0, coming - spare))


def marks_within(limit: int, usage: Usage, free: int | None = None) -> Marks:
    """The marks of what the catalog's slack, and `free` bytes of the file system, leave of a limit.

    Half is left to pictures, however large a catalog was before the limit was lowered.
    """
    limit -= min(slack(usage), limit // 2)
    return Marks(limit if free is None else min(limit, taken(usage).total + free))


def footprint(length: int) -> int:
    """Bytes on the disk that keeping a blob of this length takes."""
    return -(-length // _BLOCK) * _BLOCK + _ROW


def excess(used: Taken, marks: Marks) -> int:
    """Bytes of entries to evict.

    Trash counts for whether, not for how much: it goes by itself, and counted again at each sweep
    until it has gone it would take the whole cache with it. Claims go, too, but as many come while
    a crawl lasts, and then pictures would have no room: they count, up to a quarter of the limit.
    """
    if used.total <= marks.high:
        return 0
    return max(0, used.entries + min(used.claims, marks.limit // 4) - marks.low)


def worth(entry: Entry, now: float) -> float:
    """Seconds of making that keeping the entry is expected to save, per byte and second.

    Uses count by their logarithm: what was hot last month outlives its neighbours, not everything.
    """
    uses = 1.0 + math.log2(1 + entry.uses)
    idle = max(_IDLE, now - entry.used)
    return max(_CHEAP, entry.cost) * uses / (footprint(entry.sum.length) * idle)


def victims(page: Sequence[Entry], now: float, wanted: int) -> list[Entry]:
    """Those of least worth, until they take `wanted` bytes or are half of the page.

    The other half is judged again beside the next ones; a page of one gives that one.
    """
    chosen: list[Entry] = []
    for entry in heapq.nsmallest(-(-len(page) // 2), page, key=lambda each: worth(each, now)):
        if wanted <= 0:
            break
        chosen.append(entry)
        wanted -= footprint(entry.sum.length)
    return chosen
