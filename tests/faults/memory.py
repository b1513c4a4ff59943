"""Watches the memory of the whole process tree while it makes many different pictures.

`python -m tests.faults.memory --pictures 2000`. Every figure is the kernel's.
"""

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.corpus import corpus
from tests.e2e.harness import Answer, ScriptedOrigin, Server
from tests.faults import processes

MIB = 1024 * 1024
PROCESSES = 2
CLIENTS = 12
EVERY = 0.05  # seconds between two samples

# Small, so that what is over its bound shows.
LIMITS = {
    "memory_limit": 16 * MIB,
    "stream_limit": 16 * MIB,
    "download_limit": 16 * MIB,
    "max_variant_bytes": 8 * MIB,
    "max_source_bytes": 4 * MIB,
    "process_memory": 320 * MIB,
}
# docs/limits.md: what a server needs for itself, and what it holds beside the limits.
BASE = 80 * MIB
LOADING = 32 * MIB  # kept pictures being read into memory
KEEPING = 6 * MIB  # per picture being made: its copy for memory, and what is gathered for the disk

SERVER_BOUND = (
    BASE
    + sum(LIMITS[name] for name in ("memory_limit", "stream_limit", "download_limit"))
    + LOADING
    + PROCESSES * (LIMITS["max_variant_bytes"] + KEEPING)
)
TREE_BOUND = SERVER_BOUND + PROCESSES * LIMITS["process_memory"]

OPERATIONS = (
    "resize?width={0}",
    "crop?width={0}&height={1}",
    "fit?width={0}&height={1}",
    "thumbnail?width={0}",
    "enlarge?width={0}&height={1}",
    "rotate?rotate=90&width={0}",
    "flip?width={0}",
    "convert?quality={1}",
)
TYPES = ("jpeg", "png", "webp", "auto", "jpeg", "webp", "avif")


@dataclass
class Peaks:
    """The highest figures, in bytes."""

    idle: int = 0  # the whole tree, before the first picture
    tree: int = 0  # PSS of the whole tree, at one instant
    server: int = 0  # RSS of the server, by the kernel's own high-water mark
    maker: int = 0  # RSS of one maker, the same
    after: int = 0  # PSS of the whole tree at the end
    makers: int = 0  # the most at one instant
    samples: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sizes = {"idle": self.idle, "tree": self.tree, "server": self.server, "maker": self.maker}
        sizes |= {"after": self.after}
        told = ", ".join(f"{name} {size / MIB:.0f} MiB" for name, size in sizes.items())
        bounds = f"bounds: tree {TREE_BOUND // MIB} MiB, server {SERVER_BOUND // MIB} MiB"
        return f"{told}; {bounds}; {self.samples} samples; statuses {dict(self.statuses)}"


class Watching:
    """One server that makes `pictures` different pictures while it is being looked at."""

    def __init__(self, directory: Path, pictures: int, seed: int = 1) -> None:
        self._server = Server(directory, processes=PROCESSES, queue_limit=64, **LIMITS)
        self._pictures = pictures
        self._random = random.Random(seed)
        self._peaks = Peaks()
        self._over = False

    async def run(self) -> Peaks:
        """Make them all, most from a source that others use too, some asked for again."""
        async with ScriptedOrigin() as origin, self._server:
            for photo in corpus():
                origin.script(f"/{photo.name}", Answer(photo.body, media_type="image/x"))
            await asyncio.sleep(1)
            self._sample()
            self._peaks.idle = self._peaks.tree
            await asyncio.gather(self._sample_on(), self._ask_all(self._targets(origin.url)))
            await asyncio.sleep(1)
            self._peaks.after = self._sample()
        return self._peaks

    def _targets(self, origin: str) -> "itertools.chain[str]":
        choose = self._random.choice
        photos = [photo for photo in corpus() for _ in range(1 if photo.megapixels else 6)]
        made: list[str] = []
        for _ in range(self._pictures):
            sides = self._random.randrange(16, 1200), self._random.randrange(16, 100)
            operation = choose(OPERATIONS).format(*sides)
            source = quote(f"{origin}/{choose(photos).name}", safe="")
            made.append(f"/imaginary/{operation}&type={choose(TYPES)}&url={source}")
        return itertools.chain(made, self._random.sample(made, len(made) // 4))

    async def _ask_all(self, targets: "itertools.chain[str]") -> None:
        await asyncio.gather(*(self._ask(targets) for _ in range(CLIENTS)))
        self._over = True

    async def _ask(self, targets: "itertools.chain[str]") -> None:
        for target in targets:
            response = await self._server.client.get(target)
            self._peaks.statuses[response.status] += 1
            if not response.whole:
                self._peaks.broken.append(f"{target}: {response.ending}")

    async def _sample_on(self) -> None:
        while not self._over:
            self._sample()
            await asyncio.sleep(EVERY)

    def _sample(self) -> int:
        server, peaks = self._server.process.pid, self._peaks
        makers = processes.children(server)
        tree = sum(map(processes.proportional, (server, *makers)))
        peaks.tree = max(peaks.tree, tree)
        peaks.server = max(peaks.server, processes.peak(server))
        peaks.maker = max(peaks.maker, *map(processes.peak, makers), 0)
        peaks.makers = max(peaks.makers, len(makers))
        peaks.samples += 1
        return tree


def faults(peaks: Peaks) -> list[str]:
    """What is over its bound."""
    found = list(peaks.broken)
    if peaks.tree > TREE_BOUND or peaks.server > SERVER_BOUND:
        found.append(f"over the bound: {peaks}")
    if peaks.maker > LIMITS["process_memory"] or peaks.makers > PROCESSES:
        found.append(f"makers: {peaks.makers}, of {peaks.maker} bytes")
    odd = {status for status in peaks.statuses if status >= 500}
    return [*found, f"statuses {odd}"] if odd else found


def main() -> int:
    """0 when nothing was over its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        peaks = asyncio.run(Watching(Path(directory), asked.pictures).run())
    print(peaks)  # noqa: T201 - a command
    for fault in faults(peaks):
        print(fault)  # noqa: T201 - a command
    return 1 if faults(peaks) else 0


if __name__ == "__main__":
    sys.exit(main())
