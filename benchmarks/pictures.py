"""What a picture costs: ours, Imaginary, imagor, and libvips with no server at all.

`python benchmarks/pictures.py --rounds 5`. Sources come from a file server on loopback whose
processor time is not counted; each request names a source that nobody has asked for, so nothing
comes from a cache. Ours takes part twice: keeping nothing, as the others do, and as it comes.
Rounds of all programs are interleaved. Imaginary and imagor take part where
`make services SERVICES="imaginary imagor"` has built them. All write quality 80.

Two programs are libvips alone, the same file (`_loop.py`) in two environments: "plain loop" in one
that sets nothing, as anybody would start it, so libvips has a thread for each core and the C
library's allocator its defaults; "loop" in the one that our server gives its children, tuned for
less processor time and memory. "loop" is the harder measure, and the one of the last lines.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyvips
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import _makers
from benchmarks._makers import LoopMaker, Maker, ServerMaker

MIB = 1024 * 1024
LOOPS = ("loop", "plain loop")  # that the others are measured by
_SAMPLE = 0.02  # seconds between two looks at memory
_PATIENCE = 300.0  # seconds


@dataclass(frozen=True)
class Case:
    """One kind of picture."""

    source: str
    width: int
    kind: str
    count: int  # pictures in one round

    def __str__(self) -> str:
        return f"{self.source} to {self.width} {self.kind}"


CASES = (
    Case("hd", 300, "jpeg", 60),
    Case("hd", 300, "webp", 60),
    Case("hd", 800, "jpeg", 40),
    Case("hd", 800, "webp", 30),
    Case("24mp", 500, "jpeg", 16),
)


@dataclass(frozen=True)
class Run:
    """What one round of one program was like."""

    rate: float  # pictures per second
    cpu: float  # milliseconds of processor time per picture
    proportional: float  # MiB, the highest of the tree; shared pages counted once
    resident: float  # MiB, the same, shared pages counted in each process
    length: float  # bytes of a picture


class Bench:
    """The file server, the clients and the programs."""

    def __init__(self, directory: Path, scale: float) -> None:
        self._directory = directory
        self._scale = scale
        self._number = itertools.count()
        self._origin = ""
        self._bodies: dict[str, bytes] = {}

    async def start(self) -> web.AppRunner:
        """Make the sources and serve them."""
        for name, width, height in (("hd", 1920, 1080), ("24mp", 6000, 4000)):
            self._bodies[name] = _photo(width, height)
            (self._directory / f"{name}.jpg").write_bytes(self._bodies[name])
        app = web.Application()
        app.router.add_get("/{number}/{name}.jpg", self._serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _serve(self, request: web.Request) -> web.Response:
        """Bytes that no other source has: sizes of one source would share its decode."""
        number = request.match_info["number"].encode()
        comment = b"\xff\xfe" + (len(number) + 2).to_bytes(2, "big") + number
        body = self._bodies[request.match_info["name"]]
        return web.Response(body=body[:2] + comment + body[2:], content_type="image/jpeg")

    async def round(self, maker: Maker, case: Case, clients: int) -> Run:
        """One program makes the pictures of one case."""
        count = max(2, round(case.count * self._scale))
        over = asyncio.Event()
        watch = asyncio.ensure_future(_watch(maker, over))  # noqa: TID251 - a program of its own
        before, begun = _makers.cpu(maker), time.perf_counter()
        total = await self._make(maker, case, clients, count)
        took, spent = time.perf_counter() - begun, _makers.cpu(maker) - before
        over.set()
        proportional, resident = await watch
        return Run(
            count / took, spent / count * 1000, proportional / MIB, resident / MIB, total / count
        )

    async def _make(self, maker: Maker, case: Case, clients: int, count: int) -> int:
        if isinstance(maker, LoopMaker):
            path = self._directory / f"{case.source}.jpg"
            return await asyncio.to_thread(maker.make, path, case.width, case.kind, count)
        assert isinstance(maker, ServerMaker)  # noqa: S101 - there are no others
        sources = [f"{self._origin}/{next(self._number)}/{case.source}.jpg" for _ in range(count)]
        urls = iter([maker.url(source, case.width, case.kind) for source in sources])
        timeout = ClientTimeout(total=_PATIENCE)
        async with ClientSession(connector=TCPConnector(limit=0), timeout=timeout) as session:
            totals = await asyncio.gather(*(_ask(session, urls, case) for _ in range(clients)))
        return sum(totals)


async def _ask(session: ClientSession, urls: Iterator[str], case: Case) -> int:
    total = 0
    for url in urls:
        async with session.get(url) as answer:
            body = await answer.read()
            if answer.status != 200 or answer.content_type != f"image/{case.kind}":
                sys.exit(f"{url}: {answer.status} {answer.content_type} {body[:300]!r}")
            total += len(body)
    return total


async def _watch(maker: Maker, over: asyncio.Event) -> tuple[int, int]:
    most = [0, 0]
    while not over.is_set():
        most = [max(pair) for pair in zip(most, _makers.memory(maker), strict=True)]
        await asyncio.sleep(_SAMPLE)
    return most[0], most[1]


def _photo(width: int, height: int) -> bytes:
    """A photograph with detail and noise, as cameras write it."""
    samples = Path(__file__).resolve().parents[1] / "samples"
    image = pyvips.Image.thumbnail(
        str(samples / "coffee.jpg"), width, height=height, crop="centre", size="both"
    )
    noise = pyvips.Image.gaussnoise(width, height, sigma=6, seed=1)
    body: bytes = (image + noise).cast("uchar").jpegsave_buffer(Q=88, keep="none")
    return body


async def run(directory: Path, asked: argparse.Namespace) -> None:
    """All rounds, then the tables."""
    bench = Bench(directory, asked.scale)
    origin = await bench.start()
    makers: list[Maker] = []
    servers = [_makers.ours(directory, 2, keep=keep) for keep in (False, True)]
    servers += filter(None, (_makers.rival(name, directory) for name in asked.rivals))
    found: dict[tuple[str, int, str], list[Run]] = defaultdict(list)
    try:
        for server in servers:
            server.start(directory / f"{server.name}.log")
            makers.append(server)
        makers += _makers.loops()
        for maker in makers:  # what is loaded at the first picture
            for case in CASES[:3]:
                await bench.round(maker, case, 2)
        for number in range(asked.rounds):
            for case, clients in itertools.product(CASES, (2, 8)):
                for maker in makers[number % len(makers) :] + makers[: number % len(makers)]:
                    result = await bench.round(maker, case, clients)
                    found[str(case), clients, maker.name].append(result)
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
    finally:
        for maker in makers:
            _makers.stop(maker)
        await origin.cleanup()
    print(table(found, [maker.name for maker in makers]))
    print(peaks(found))


def table(found: dict[tuple[str, int, str], list[Run]], names: list[str]) -> str:
    """Rates and processor time, with their ratios to the loops; medians, lowest and highest."""
    lines = [
        "| picture | clients | program | pictures/s | CPU ms/picture | CPU / loop | "
        "CPU / plain loop | bytes |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (case, clients, name), runs in found.items():
        cpu = statistics.median(run.cpu for run in runs)
        for loop in LOOPS:
            measure = statistics.median(run.cpu for run in found[case, clients, loop])
            ratios[name, loop].append(cpu / measure)
        against = " | ".join(f"{ratios[name, loop][-1]:.2f}" for loop in LOOPS)
        lines.append(
            f"| {case} | {clients} | {name} | {_spread([run.rate for run in runs])} | "
            f"{_spread([run.cpu for run in runs])} | {against} | {runs[0].length:,.0f} |"
        )
    for loop in LOOPS:
        means = (f"{name} {statistics.geometric_mean(ratios[name, loop]):.2f}" for name in names)
        medians = (f"{name} {statistics.median(ratios[name, loop]):.2f}" for name in names)
        lines += ["", f"CPU against the {loop}, geometric mean of the rows: {', '.join(means)}"]
        lines += [f"the same, median of the rows: {', '.join(medians)}"]
    return "\n".join(lines)


def peaks(found: dict[tuple[str, int, str], list[Run]]) -> str:
    """The most memory that each tree held."""
    lines = [
        "",
        "| program | peak MiB, shared pages once | in each process |",
        "| --- | --: | --: |",
    ]
    runs: dict[str, list[Run]] = defaultdict(list)
    for (_, _, name), some in found.items():
        runs[name] += some
    for name, all_runs in runs.items():
        once = max(run.proportional for run in all_runs)
        each = max(run.resident for run in all_runs)
        lines.append(f"| {name} | {once:.0f} | {each:.0f} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on pictures per round")
    parser.add_argument("--rivals", nargs="*", default=["imaginary", "imagor"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory), asked))


if __name__ == "__main__":
    main()
