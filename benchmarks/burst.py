"""What one decode for several sizes of a source saves: `python benchmarks/burst.py --rounds 5`.

Five widths of one source are asked for at once, each time of a source that nobody has asked for,
from two servers in turn: ours, and ours with bursts turned off. Sources come from this program,
whose processor time is not counted; that of the server and its children is.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import _makers, peaks
from benchmarks._makers import ServerMaker

WIDTHS = (320, 480, 640, 960, 1280)
SOURCES = ("jpeg 2", "jpeg 24", "jpeg 24 progressive", "png 12", "webp 12", "avif 12")
KINDS = ("jpeg", "webp", "avif")
_PATIENCE = 120.0  # seconds
_SETTLED = 0.02  # seconds in which the server ends what it does after its answers


@dataclass(frozen=True)
class Run:
    """What a few bursts were like, on average."""

    cpu: float  # milliseconds of processor time, of one burst
    first: float  # milliseconds until one picture was there
    last: float  # milliseconds until all were


class Origin:
    """Serves every source under any number of names."""

    def __init__(self) -> None:
        self.bodies = {name: peaks.body(name) for name in SOURCES}
        self._numbers = itertools.count()
        self._url = ""

    async def start(self) -> web.AppRunner:
        """Listen."""
        app = web.Application()
        app.router.add_get("/{number}/{name}", self._serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def url(self, name: str) -> str:
        """A name of the source that nobody has used."""
        return f"{self._url}/{next(self._numbers)}/{name.replace(' ', '-')}"

    async def _serve(self, request: web.Request) -> web.Response:
        return web.Response(body=self.bodies[request.match_info["name"].replace("-", " ")])


async def several(maker: ServerMaker, origin: Origin, case: tuple[str, str], count: int) -> Run:
    """So many bursts, one after another."""
    name, kind = case
    firsts, lasts = [], []
    timeout = ClientTimeout(total=_PATIENCE)
    before = _makers.cpu(maker)
    async with ClientSession(connector=TCPConnector(limit=0), timeout=timeout) as session:
        for _ in range(count):
            source = origin.url(name)
            begun = time.perf_counter()
            urls = [maker.url(source, width, kind) for width in WIDTHS]
            ends = await asyncio.gather(*(_ask(session, url) for url in urls))
            firsts.append(min(ends) - begun)
            lasts.append(max(ends) - begun)
        await asyncio.sleep(_SETTLED)
    spent = (_makers.cpu(maker) - before) / count
    return Run(spent * 1000, statistics.mean(firsts) * 1000, statistics.mean(lasts) * 1000)


async def _ask(session: ClientSession, url: str) -> float:
    async with session.get(url) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status} {body[:300]!r}")
    return time.perf_counter()


def servers(directory: Path, processes: int) -> list[ServerMaker]:
    """Ours, with bursts and without."""
    made = []
    for name in ("shared", "apart"):
        (directory / name).mkdir()
        server = _makers.ours(directory / name, processes)
        server.name = name
        server.environment |= {"IMCAXY_FETCH_TIMEOUT": "60", "IMCAXY_PROCESS_TIMEOUT": "60"}
        if name == "apart":
            server.command = [sys.executable, "-m", "benchmarks._apart", "serve"]
        made.append(server)
    return made


async def run(directory: Path, asked: argparse.Namespace) -> None:
    """Interleaved rounds, then the table."""
    origin = Origin()
    runner = await origin.start()
    makers = servers(directory, asked.processes)
    cases = list(itertools.product(asked.sources, asked.kinds))
    found: dict[tuple[tuple[str, str], str], list[Run]] = defaultdict(list)
    try:
        for maker in makers:
            maker.start(directory / f"{maker.name}.log")
            await several(maker, origin, ("jpeg 2", "webp"), 2)
        for number, case in itertools.product(range(asked.rounds), cases):
            for maker in makers[:: -1 if number % 2 else 1]:
                found[case, maker.name].append(await several(maker, origin, case, asked.bursts))
    finally:
        for maker in makers:
            if hasattr(maker, "process"):
                _makers.stop(maker)
        await runner.cleanup()
    print("| source (Mpx) | written | CPU ms apart | shared | saved", end=" | ")
    print("first ms apart | shared | last ms apart | shared |\n| --- | --- |" + " ---: |" * 7)
    for case in cases:
        print(row(case, found[case, "apart"], found[case, "shared"]))


def row(case: tuple[str, str], apart: list[Run], shared: list[Run]) -> str:
    """Medians of both."""
    cells = []
    for figure in ("cpu", "first", "last"):
        before, after = (
            statistics.median(getattr(each, figure) for each in runs) for runs in (apart, shared)
        )
        cells += [f"{before:.0f}", f"{after:.0f}"]
        if figure == "cpu":
            cells.append(f"{1 - after / before:.0%}")
    return f"| {' | '.join([*case, *cells])} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bursts", type=int, default=4, help="in one round")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sources", nargs="*", default=SOURCES)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory), asked))


if __name__ == "__main__":
    main()
