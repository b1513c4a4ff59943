"""How fast kept pictures are given, against nginx's and Varnish's caches on the same core.

`python benchmarks/rivals.py` installs what is missing (nginx, Varnish and wrk, from the
distribution; needs root for that), then runs every server in turn, several rounds, with the same
pictures and the request that Chromium sends. One core has the server, another one wrk. Prints
ratios; writes ratios.md, ratios.svg and runs.json into `--out`.

`--only WORD` runs the rows whose name has it, `--profile` shows where our time goes in them.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._report import Comparison, markdown, plot, ratio_of
from benchmarks._rivals import (
    CLIENT_CPU,
    NginxCache,
    NginxPushing,
    Ours,
    Rival,
    Run,
    VarnishCache,
    install,
    measure,
    rest,
    script,
)
from tests.e2e.wire import Client

ROOT = Path(__file__).resolve().parents[1]
# Half of it is for heads; the rest holds a third of the 30 kB pictures: as many hits are in memory.
COLD_MEMORY = "2MiB"
WARM = 100  # times that each picture is asked for before the clock runs, and a second at least
FIGURES = {"rate": "requests/s", "p99": "p99"}


@dataclass(frozen=True)
class Goal:
    """How the first server of a row must do against another one."""

    against: str
    ratio: float
    figure: str = "rate"


@dataclass(frozen=True)
class Row:
    """One kind of load, and who gets it; the first is ours."""

    name: str
    servers: tuple[str, ...]
    targets: tuple[str, ...]
    goals: tuple[Goal, ...]
    fields: tuple[str, ...] = ()
    connections: int = 64


@dataclass
class Site:
    """The servers that run, by name."""

    directory: Path
    servers: dict[str, Rival]

    async def fetch(self, server: str, target: str) -> tuple[str, int, str]:
        """Digest, length and entity tag of a picture."""
        client = Client(self.servers[server].port)
        answer = await client.get(target)
        if answer.status != 200 or not answer.whole:
            message = f"{server} answered {target} with {answer.status}: {answer.body[:300]!r}"
            raise RuntimeError(message)
        return (
            hashlib.sha256(answer.body).hexdigest(),
            len(answer.body),
            answer.headers.get("etag", ""),
        )

    async def warm(self, row: Row) -> None:
        """Have every server hold the pictures; fails when they are not all the same."""
        for target in row.targets:
            digests = set()
            for server in reversed(row.servers):
                for _ in range(3):
                    digests.add((await self.fetch(server, target))[0])
            if len(digests) != 1:
                message = f"the servers give different pictures for {target}"
                raise RuntimeError(message)


@contextlib.asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Site]:
    """Ours thrice (warm, with hardly any memory, free to use all cores), and the rivals' caches."""
    shutil.copytree(ROOT / "samples", directory / "sources")
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(Ours(directory / "warm"))
        cold = await stack.enter_async_context(Ours(directory / "cold", memory_limit=COLD_MEMORY))
        free = Ours(directory / "free")
        free.launcher = ()
        await stack.enter_async_context(free)
        servers: dict[str, Rival] = {
            "Imcaxy": ours,
            "Imcaxy, cold memory": cold,
            "Imcaxy, idle children": free,
            "Imcaxy, busy children": free,
        }
        for kind in (NginxCache, NginxPushing, VarnishCache):
            place = directory / kind.name
            place.mkdir()
            servers[kind.name] = await stack.enter_async_context(kind(place, ours.port))
        yield Site(directory, servers)


async def nearest(site: Site, size: int, rest_of_query: str) -> str:
    """The target whose picture comes nearest to so many bytes, by its width."""
    low, high = 8, 3000
    tried: dict[int, str] = {}
    while high - low > 1:
        width = (low + high) // 2
        target = f"/imaginary/resize?width={width}&{rest_of_query}"
        length = (await site.fetch("Imcaxy", target))[1]
        tried[abs(length - size)] = target
        low, high = (width, high) if length < size else (low, width)
    return tried[min(tried)]


def similar(target: str, each: int = 25) -> tuple[str, ...]:
    """Four times so many targets of pictures about as large as this one, which has a `width`."""
    width = int(target.partition("width=")[2].partition("&")[0])
    return tuple(
        f"{target.replace(f'width={width}', f'width={near}')}&rotate={turn}"
        for near in range(width - each // 2, width - each // 2 + each)
        for turn in (0, 90, 180, 270)
    )


async def rows(site: Site) -> list[Row]:
    """Every row of the table, with the pictures that it needs."""
    found = []
    jpeg = "file=hubble.jpg&type=jpeg&quality=80"
    sizes = {kb: await nearest(site, kb * 1000, jpeg) for kb in (2, 30, 100)}
    nginx, varnish = Goal("nginx", 1.0), Goal("Varnish", 1.5)
    everyone = ("Imcaxy", "nginx", "Varnish")
    for kb, target in sizes.items():
        found.append(Row(f"memory hit {kb} kB", everyone, (target,), (nginx, varnish)))
    pushing = Goal("nginx-pushing", 1.0)
    found.append(Row("large hit 100 kB", ("Imcaxy", pushing.against), (sizes[100],), (pushing,)))
    tail = Goal("nginx", 1.2, "p99")
    found.append(Row("256 connections 30 kB", everyone[:2], (sizes[30],), (tail,), connections=256))
    tag = (await site.fetch("Imcaxy", sizes[30]))[2]
    field = f"If-None-Match: {tag}"
    found.append(Row("304 from memory", everyone[:2], (sizes[30],), (nginx,), (field,)))
    many = similar(sizes[30])
    large = await nearest(site, 2_000_000, "file=hubble.jpg&type=png")
    few = tuple(f"{large}&rotate={turn}" for turn in (0, 90, 180, 270))
    cold = ("Imcaxy, cold memory", "nginx")
    slower = Goal("nginx", 0.8)
    found.append(Row("disk hit 30 kB", cold, many, (slower,)))
    found.append(Row("disk hit 2 MB", cold, few, (slower,), connections=16))
    own = ("Imcaxy, busy children", "Imcaxy, idle children")
    calm = Goal(own[1], 2.0, "p99")
    found.append(Row("children busy 30 kB", own, (sizes[30],), (calm,), connections=8))
    return found


@contextlib.contextmanager
def busy(site: Site, turn: int, seconds: int) -> Iterator[None]:
    """Keep all children at work on pictures that nobody has asked for before."""
    targets = [
        f"/imaginary/resize?width={100 + n}&type=webp&file=retina.jpg&quality={10 + turn % 80}"
        for n in range(4000)
    ]
    place = site.directory / "busy"
    place.mkdir(exist_ok=True)
    server = site.servers["Imcaxy, busy children"]
    load = subprocess.Popen(
        [
            *("wrk", "-t1", "-c8", f"-d{seconds + 2}s", "-s", str(script(place, targets))),
            f"http://127.0.0.1:{server.port}/",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        rest(1.0)
        yield
    finally:
        load.terminate()
        load.wait()


def run(site: Site, row: Row, server: str, turn: int, seconds: int) -> Run:
    rival = site.servers[server]
    requests = script(site.directory, row.targets, *row.fields)
    asked = 0.0
    while asked < WARM * len(row.targets):  # connections, caches and clocks get warm
        asked += measure(rival, requests, 1, row.connections).rate
    if server != "Imcaxy, busy children":
        return measure(rival, requests, seconds, row.connections)
    with busy(site, turn, seconds):
        return measure(rival, requests, seconds, row.connections)


Runs = dict[tuple[str, str], dict[str, list[float]]]


async def measured(site: Site, wanted: Sequence[Row], rounds: int, seconds: int) -> Runs:
    runs: Runs = {}
    for row in wanted:
        await site.warm(row)
        for server in row.servers:
            runs[row.name, server] = defaultdict(list)
    for turn in range(rounds):
        for row in wanted:
            order = row.servers if turn % 2 == 0 else row.servers[::-1]
            for server in order:
                figures = dataclasses.asdict(run(site, row, server, turn, seconds))
                for name, value in figures.items():
                    runs[row.name, server][name].append(value)
        print(f"round {turn + 1} of {rounds} done", file=sys.stderr, flush=True)
    return runs


def compared(wanted: Sequence[Row], runs: Runs) -> list[Comparison]:
    found = []
    for row in wanted:
        ours = runs[row.name, row.servers[0]]
        for goal in row.goals:
            others = runs[row.name, goal.against]
            ratios = ratio_of(ours[goal.figure], others[goal.figure])
            upward = goal.figure == "rate"
            shown = FIGURES[goal.figure]
            cpu = ratio_of(ours["cpu"], others["cpu"])[0]
            found.append(
                Comparison(row.name, goal.against, shown, goal.ratio, upward, *ratios, cpu)
            )
    return found


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in info if line.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]}"


def profile(site: Site, row: Row) -> None:
    """Print where our server spends a run of this row."""
    py_spy = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    if not Path(py_spy).exists():
        sys.exit("Please install py-spy: python -m pip install py-spy")
    rival = site.servers[row.servers[0]]
    requests = script(site.directory, row.targets, *row.fields)
    out = site.directory / "stacks"
    command = [py_spy, "record", "--native", "--threads", "-r", "400", "-d", "5", "-f", "raw"]
    with subprocess.Popen(
        [*command, "-o", str(out), "-p", str(rival.process_id)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        measure(rival, requests, 7, row.connections)
    inside: Counter[str] = Counter()
    total = 0
    for line in out.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        if "MainThread" not in stack.split(";")[0]:
            continue
        total += int(count)
        for frame in set(stack.split(";")):
            inside[frame] += int(count)
    print(f"\n{row.name}: share of samples in which a function was on the stack")
    for frame, times in inside.most_common(110):
        print(f"{times / total:7.1%}  {frame}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of one run")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "rivals")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if (os.cpu_count() or 1) <= CLIENT_CPU:
        sys.exit("Two cores are needed: one for the server, one for wrk.")
    install()
    with tempfile.TemporaryDirectory(prefix="rivals-") as place:
        async with opened(Path(place)) as site:
            wanted = [row for row in await rows(site) if given.only in row.name]
            if given.profile:
                for row in wanted:
                    await site.warm(row)
                    profile(site, row)
                return
            runs = await measured(site, wanted, given.rounds, given.seconds)
    comparisons = compared(wanted, runs)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "ratios.md").write_text(markdown(machine(), runs, comparisons))
    (given.out / "ratios.svg").write_text(plot(comparisons))
    named = {f"{row}: {server}": figures for (row, server), figures in runs.items()}
    (given.out / "runs.json").write_text(json.dumps(named, indent=1))
    print("Ours over theirs: ratio of the medians (lowest to highest round)")
    for each in comparisons:
        print(each.line())
    print(f"Medians and CPU time of each server: {given.out}/ratios.md")


if __name__ == "__main__":
    asyncio.run(main())
