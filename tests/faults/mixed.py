"""Small pictures beside the worst of the others, in 512 MiB: `python -m tests.faults.mixed`.

First visitors ask for small pictures alone, for a quarter of the time; then others ask for 24
megapixels, AVIF, long animations and bombs at once, `--minutes` long. The kernel must kill nobody,
and the slowest hundredth of the small ones may take three times as long as alone.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pyvips

from tests.e2e.harness import Answer, ScriptedOrigin, Server
from tests.faults import processes
from tests.faults.confined import Confined
from tests.faults.pictures import bomb

MIB = 1024 * 1024
MEMORY = 512 * MIB
TIMES = 3.0  # that the small ones' p99 may grow
VISITORS, OTHERS = 2, 6
PAUSE = 0.05  # seconds between two small pictures of one visitor
EVERY = 0.2  # seconds between two looks at memory
LIMITS: dict[str, object] = {
    "processes": 2,
    "memory_limit": 32 * MIB,
    "stream_limit": 48 * MIB,
    "download_limit": 64 * MIB,
    "max_variant_bytes": 24 * MIB,
    "max_source_bytes": 24 * MIB,
    "disk_limit": 256 * MIB,
}


def photo(width: int, height: int) -> pyvips.Image:
    """A photograph with noise."""
    sample = str(Path(__file__).resolve().parents[2] / "samples" / "coffee.jpg")
    image = pyvips.Image.thumbnail(sample, width, height=height, size="force")
    noisy = image + pyvips.Image.gaussnoise(width, height, sigma=6, seed=1)
    return noisy.cast("uchar").copy(interpretation="srgb").copy_memory()


def film(frames: int) -> bytes:
    """A GIF of so many frames, 320 pixels wide."""
    still = photo(320, 240)
    image = pyvips.Image.arrayjoin([still] * frames, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", 240)
    image.set_type(pyvips.GValue.array_int_type, "delay", [50] * frames)
    body: bytes = image.gifsave_buffer(effort=1)
    return body


def sources() -> dict[str, bytes]:
    """What lies at the origin."""
    large = photo(6000, 4000)
    avif = photo(4000, 3000).heifsave_buffer(compression="av1", effort=0, Q=50)
    deep = photo(7000, 7000).jpegsave_buffer(Q=60, interlace=True, subsample_mode="off")
    return {
        "small": photo(1280, 720).jpegsave_buffer(Q=85),
        "large": large.jpegsave_buffer(Q=85),
        "progressive": large.jpegsave_buffer(Q=80, interlace=True),
        "avif": avif,
        "film": film(100),
        "bomb": bomb(),
        "deep": deep,
    }


# What the others ask for, in turn: source and parameters.
HEAVY = (
    ("large", "resize?width={}"),
    ("progressive", "resize?width={}"),
    ("avif", "resize?width={}&type=jpeg"),
    ("bomb", "resize?width={}"),
    ("small", "resize?width={}&type=avif"),
    ("film", "resize?width={}"),
    ("deep", "resize?width={}"),
    ("large", "resize?width={}&type=webp"),
    ("large", "rotate?rotate=90&width={}"),
    ("large", "convert?type=avif&quality={}"),
)


@dataclass
class Seen:
    """What happened."""

    small: list[float] = field(default_factory=list)  # seconds each
    told: Counter[str] = field(default_factory=Counter)
    tree: int = 0  # bytes of all processes, shared pages once
    makers: int = 0  # bytes of the largest child

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.small, n=100)[98]


class Load:
    """One server, its visitors and the others."""

    def __init__(self, server: Server, origin: str) -> None:
        self._server = server
        self._origin = origin
        self._numbers = itertools.count()
        self.seen = Seen()

    async def visit(self) -> None:
        """Ask for small pictures, each a new one."""
        while True:
            number = next(self._numbers)
            route = f"resize?width={200 + number % 400}&quality={50 + number // 400 % 50}"
            response = await self._server.client.get(self._target("small", route, number))
            self.seen.small.append(response.took)
            self.seen.told[f"small {response.status}"] += 1
            await asyncio.sleep(PAUSE)

    async def weigh_down(self, turns: Iterator[tuple[int, tuple[str, str]]]) -> None:
        """Ask for what is hard."""
        for number, (source, route) in turns:
            width = number % 90 if "quality" in route else 300 + number % 900
            target = self._target(source, route.format(width + 1), number)
            response = await self._server.client.get(target)
            self.seen.told[f"{source} {route.partition('{')[0]} {response.status}"] += 1

    async def look(self) -> None:
        """Watch memory."""
        pid = self._server.process.pid
        while True:
            children = processes.children(pid)
            tree = sum(map(processes.proportional, (pid, *children)))
            self.seen.tree = max(self.seen.tree, tree)
            self.seen.makers = max(self.seen.makers, *map(processes.peak, children), 0)
            await asyncio.sleep(EVERY)

    def _target(self, source: str, route: str, number: int) -> str:
        """Of a source that nobody has asked for: widths alone would come again, as hits."""
        return f"/imaginary/{route}&url={quote(f'{self._origin}/{source}?{number}', safe='')}"


async def for_a_while(load: Load, seconds: float, *, heavy: bool) -> Seen:
    """One phase."""
    load.seen = Seen()
    turns = enumerate(itertools.cycle(HEAVY))
    others = [load.weigh_down(turns) for _ in range(OTHERS if heavy else 0)]
    work = asyncio.gather(load.look(), *(load.visit() for _ in range(VISITORS)), *others)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work, seconds)
    return load.seen


async def run(directory: Path, seconds: float) -> int:
    """Both phases, and what is wrong."""
    bodies = await asyncio.to_thread(sources)
    with Confined(MEMORY) as group:
        server = Server(directory, **LIMITS)
        server.launcher = group.launcher
        async with ScriptedOrigin() as origin, server:
            for name, body in bodies.items():
                origin.script(f"/{name}", Answer(body, media_type="image/x"))
            load = Load(server, origin.url)
            await for_a_while(load, 5, heavy=False)  # what is loaded at the first picture
            alone = await for_a_while(load, max(15.0, seconds / 4), heavy=False)
            beside = await for_a_while(load, seconds, heavy=True)
            kills, peak = group.kills, group.peak
    times = beside.p99 / alone.p99
    lines = [
        f"{len(alone.small)} small ones alone: {_times(alone)}",
        f"{len(beside.small)} beside the others: {_times(beside)}; p99 {times:.1f} times as long",
        f"processes {beside.tree // MIB} MiB at most, the largest child {beside.makers // MIB} MiB",
        f"the cgroup with its files {peak // MIB} of {MEMORY // MIB} MiB, killed: {kills}",
        *(f"  {told}: {count}" for told, count in sorted(beside.told.items())),
    ]
    print("\n".join(lines))  # noqa: T201 - a command
    failed = [told for told in beside.told if told.startswith("small 5")]
    return 1 if kills or failed or times > TIMES else 0


def _times(seen: Seen) -> str:
    return f"median {statistics.median(seen.small) * 1000:.0f} ms, p99 {seen.p99 * 1000:.0f} ms"


def main() -> int:
    """0 when nobody was killed and small pictures stayed quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(run(Path(directory), asked.minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
