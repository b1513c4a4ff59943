"""Hit ratio of the memory tier on a trace with a crawl in it, against LRU and the best possible.

`python benchmarks/hit_ratio.py`: visits follow Zipf's law over pictures of many sizes; in the
middle a crawler asks for very many pictures once. The best possible is Belady's rule by bytes:
it knows the future, holds what is asked for again soonest per byte, and is no real cache.
"""

import argparse
import heapq
import itertools
import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog.base import Entry
from imcaxy.store.memory import Held, MemoryTier

MIB = 1024 * 1024
PICTURES = 50_000
SKEW = 0.9
SIZES = (2_000, 6_000, 15_000, 30_000, 60_000, 120_000)  # bytes
CRAWLED_FROM = 10_000_000  # numbers of pictures that only the crawler asks for


class Phase(NamedTuple):
    """A part of the trace."""

    name: str
    visits: Sequence[int]  # numbers of pictures


def entry(number: int) -> Entry:
    size = SIZES[number * 7919 % len(SIZES)]
    return Entry(
        blob=str(number),
        signature=f"{number:064}",
        keys=("*", "host", f"file {number}"),
        as_of=LOG_START,
        sum=BlobSum(size, ""),
        head=Head("image/webp", size, "", 0.0),
        cost=0.1,
        used=0.0,
    )


class Sized(bytes):
    """Stands for a body: weighs as much, without its bytes."""

    length: int

    def __sizeof__(self) -> int:
        return self.length


def body(size: int) -> bytes:
    made = Sized()
    made.length = size
    return made


def trace(seed: int, visits: int) -> list[Phase]:
    """Visits, then visits among which every other request is the crawler's, then visits."""
    chance = random.Random(seed)
    weights = list(itertools.accumulate(1 / n**SKEW for n in range(1, PICTURES + 1)))
    numbers = list(range(PICTURES))
    chance.shuffle(numbers)

    def some(count: int) -> list[int]:
        return chance.choices(numbers, cum_weights=weights, k=count)

    crawled = itertools.count(CRAWLED_FROM)
    mixed = [x for visit in some(visits // 2) for x in (visit, next(crawled), next(crawled))]
    return [
        Phase("warm", some(visits)),
        Phase("before", some(visits // 2)),
        Phase("crawl", mixed),
        Phase("after", some(visits // 2)),
    ]


Cache = Callable[[int], bool]  # whether the picture of this number was there; it is now


def ours(limit: int) -> Cache:
    tier = MemoryTier(limit)

    def ask(number: int) -> bool:
        wanted = entry(number)
        if tier.get(wanted.signature) is not None:
            return True
        tier.put(wanted, body(wanted.sum.length))
        return False

    return ask


def weight(number: int) -> int:
    wanted = entry(number)
    return Held(wanted, body(wanted.sum.length)).weight


def lru(limit: int) -> Cache:
    held: OrderedDict[int, int] = OrderedDict()
    taken = 0

    def ask(number: int) -> bool:
        nonlocal taken
        if number in held:
            held.move_to_end(number)
            return True
        held[number] = weight(number)
        taken += held[number]
        while taken > limit:
            taken -= held.popitem(last=False)[1]
        return False

    return ask


def best(limit: int, requests: Sequence[int]) -> Cache:
    """Belady's rule by bytes: out goes what has the most bytes times time until its next use."""
    never = len(requests) * 10
    following = [never] * len(requests)
    last: dict[int, int] = {}
    for at in range(len(requests) - 1, -1, -1):
        following[at] = last.get(requests[at], never)
        last[requests[at]] = at
    held: dict[int, tuple[int, int]] = {}  # number: next use, weight
    heap: list[tuple[float, int, int]] = []
    taken, now = 0, -1

    def ask(number: int) -> bool:
        nonlocal taken, now
        now += 1
        hit = number in held
        if hit:
            taken -= held.pop(number)[1]
        if following[now] == never:
            return hit  # it is never asked for again: holding it would be of no use
        size = weight(number)
        held[number] = following[now], size
        taken += size
        heapq.heappush(heap, (-(following[now] - now) * size, following[now], number))
        while taken > limit:
            _, use, which = heapq.heappop(heap)
            if which in held and held[which][0] == use:
                taken -= held.pop(which)[1]
        return hit

    return ask


def play(cache: Cache, phases: Sequence[Phase]) -> dict[str, float]:
    """Percent of the visitors' requests that were hits, by phase; the crawler's are not counted."""
    ratios = {}
    for phase in phases:
        hits = asked = 0
        for number in phase.visits:
            hit = cache(number)
            if number < CRAWLED_FROM:
                asked += 1
                hits += hit
        ratios[phase.name] = 100 * hits / asked
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    phases = trace(asked.seed, asked.visits)
    requests = [number for phase in phases for number in phase.visits]
    whole = sum(weight(number) for number in range(PICTURES))
    print(f"{len(requests)} requests; all pictures of visitors would take {whole // MIB} MiB\n")
    print("| memory | cache | before the crawl | during | after |")
    print("| --- | --- | --- | --- | --- |")
    worse = False
    for part in (0.02, 0.05, 0.1, 0.25):
        limit = int(whole * part)
        seen = {
            "best possible": play(best(limit, requests), phases),
            "S3-FIFO (ours)": play(ours(limit), phases),
            "LRU": play(lru(limit), phases),
        }
        for name, ratio in seen.items():
            told = " | ".join(f"{ratio[each]:.1f} %" for each in ("before", "crawl", "after"))
            print(f"| {part:.0%} | {name} | {told} |")
        worse = worse or seen["S3-FIFO (ours)"]["crawl"] <= seen["LRU"]["crawl"]
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
