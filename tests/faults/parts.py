"""What visitors see while MongoDB, the bucket or Imaginary is away: `python -m tests.faults.parts`.

Three instances under load; each part is away for `--seconds`, once as a process that is stopped (it
takes connections and answers nothing) and once as one that is gone (connections are reset). With
`--pid mongo=PID --pid s3=PID` the first is a real SIGSTOP. Prints a table for docs/fleet.md.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from tests import real
from tests.between import Between
from tests.e2e.fleet import Every, Fleet, fleet

HOT = range(100, 110)  # widths that every instance has in memory
PAUSE = 0.02  # seconds between two hits of one visitor
MISS_EVERY = 2.0  # seconds, per instance
SETTLE = 5.0  # seconds of load before and after
STORED, HIT = "Imcaxy; fwd=miss; stored", "Imcaxy; hit"


@dataclass
class Seen:
    """What one phase was like for visitors."""

    hits: list[float] = field(default_factory=list)  # seconds each
    misses: list[float] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)  # Cache-Status of misses
    failed: Counter[str] = field(default_factory=Counter)

    def render(self) -> str:
        """Columns of a row."""
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(self.told.items()))
        failed = sum(self.failed.values())
        return (
            f"{len(self.hits)} hits, median {_ms(statistics.median(self.hits))}, "
            f"slowest {_ms(max(self.hits))} | {kinds}; slowest {max(self.misses):.1f} s | "
            f"{failed} failed {dict(self.failed) if failed else ''}"
        )


class Load:
    """Visitors who never stop."""

    def __init__(self, here: Fleet) -> None:
        self.here = here
        self.seen = Seen()
        self.stored: dict[int, float] = {}  # by instance, when a miss was last kept

    async def hits(self, index: int) -> None:
        """One visitor of pictures that are in memory."""
        while True:
            for width in HOT:
                await self._one(index, width, hit=True)
                await asyncio.sleep(PAUSE)

    async def misses(self, index: int) -> None:
        """Visitors of pictures that nobody has asked for, each at its time."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._one(index, next(self.here.widths), hit=False))
                await asyncio.sleep(MISS_EVERY)

    async def _one(self, index: int, width: int, *, hit: bool) -> None:
        seen, begun = self.seen, perf_counter()
        try:
            response = await self.here.get(index, width)
        except OSError as error:
            seen.failed[type(error).__name__] += 1
            return
        status = response.headers.get("cache-status", "")
        if response.status != 200 or not response.whole:
            retry = " to try again" if "retry-after" in response.headers else ""
            seen.failed[f"{'hit' if hit else 'miss'} {response.status}{retry}"] += 1
        elif hit and not status.startswith(HIT):
            seen.failed[f"hit was {status}"] += 1
        (seen.hits if hit else seen.misses).append(perf_counter() - begun)
        if not hit:
            seen.told[status.removeprefix("Imcaxy; fwd=miss; ").removeprefix("detail=")] += 1
            if status == STORED:
                self.stored[index] = perf_counter()


async def away(
    load: Load, name: str, seconds: float, go: Callable[[], None], back: Callable[[], None]
) -> None:
    """One part away and back again, with what was seen."""
    await asyncio.sleep(SETTLE)
    load.seen = during = Seen()
    go()
    await asyncio.sleep(seconds)
    back()
    returned = perf_counter()
    load.stored.clear()
    load.seen = after = Seen()
    while len(load.stored) < len(load.here.servers) and perf_counter() - returned < 60:
        await asyncio.sleep(0.05)
    took = max(load.stored.values(), default=float("inf")) - returned
    await asyncio.sleep(SETTLE)
    print(f"| {name} | {during.render()} | kept again after {took:.1f} s |", flush=True)  # noqa: T201 - a command
    if after.failed:
        print(f"  after: {dict(after.failed)}", flush=True)  # noqa: T201 - a command


async def main(mongo: str, s3: str, seconds: float, pids: dict[str, int], parts: list[str]) -> None:
    """Each part, stopped and gone."""
    with tempfile.TemporaryDirectory() as directory:
        maker = real.address("imaginary").removeprefix("http://")
        async with (
            Between(maker) as imaginary,
            fleet(
                Path(directory), mongo, s3, imaginary_service_url=f"http://{imaginary.address}"
            ) as here,
        ):
            for width in HOT:
                for index in range(len(here.servers)):
                    while not (await here.status(index, width)).startswith(HIT):
                        await asyncio.sleep(0.05)
            load = Load(here)
            tasks = [
                asyncio.create_task(work(index))  # noqa: TID251 - a program of its own
                for index in range(len(here.servers))
                for work in (load.hits, load.hits, load.misses)
            ]
            known = {
                "mongo": (mongo, here.mongo),
                "s3": (s3, here.s3),
                "imaginary": ("Imaginary", Every([imaginary])),
            }
            for part in parts:
                label, relay = known[part]
                pid = pids.get(part)
                go, back = (relay.hang, relay.let_pass) if pid is None else _signals(pid)
                await away(load, f"{label} stopped", seconds, go, back)
                await away(load, f"{label} gone", seconds, relay.reset, relay.let_pass)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def _signals(pid: int) -> tuple[Callable[[], None], Callable[[], None]]:
    return lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongo", default="ferretdb")
    parser.add_argument("--s3", default="minio")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pid", action="append", default=[])
    parser.add_argument("--parts", default="mongo,s3,imaginary")
    asked = parser.parse_args()
    given = {part: int(pid) for part, pid in (item.split("=") for item in asked.pid)}
    sys.exit(asyncio.run(main(asked.mongo, asked.s3, asked.seconds, given, asked.parts.split(","))))
