"""How long an invalidation takes, and what hits notice of it.

Four workers, a catalog filled beforehand. Prints p50 and p99 of the answers for one picture, for a
source with 10,000 variants, and for everything with 100,000 entries, and the p99 of hits while
these are cleared behind the answer, beside that of a quiet time.
"""

import argparse
import asyncio
import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imcaxy.clock import Clock
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.base import Entry
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.e2e.harness import Client, Stack, stack
from tests.e2e.purging import SETTINGS, invalidate

WORKERS = 4
READERS = 4


def entries(url: str, count: int, as_of: LogPosition) -> Iterable[Entry]:
    """Rows without blobs: clearing does not read them."""
    keys = purge_keys([Source("url", url)])
    for number in range(count):
        head = Head("image/webp", 1000, '"tag"', 1.0)
        name = secrets.token_hex(16)
        yield Entry(
            name,
            f"{name}{number}",
            keys,
            as_of,
            BlobSum(1000, "0" * 64),
            head,
            0.1,
            1.0,
            request=f"resize?width={number}",
        )


async def fill(directory: Path, url: str, count: int) -> None:
    """Add entries beside the running server."""
    blobs = FileBlobs(directory / "data" / "blobs", 5.0)
    await blobs.start()
    catalog = SQLiteCatalog(directory / "data", Clock(), 60.0)
    await catalog.start(blobs.id)
    as_of = await catalog.head()
    gathered: list[Entry] = list(entries(url, count, as_of))
    for start in range(0, count, 1000):
        await asyncio.gather(*map(catalog.insert_entry, gathered[start : start + 1000]))
    await catalog.close()
    await blobs.close()


def visit(port: int, target: str, ordered: Connection) -> None:
    """Ask for one picture all the time, until told to stop; then send the seconds of each."""
    ordered.send(asyncio.run(_visit(Client(port), target, ordered)))


async def _visit(client: Client, target: str, ordered: Connection) -> list[float]:
    seconds: list[float] = []

    async def forever() -> None:
        while not ordered.poll():
            began = time.perf_counter()
            answer = await client.get(target)
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"a hit was answered {answer.status}")
            await asyncio.sleep(0.002)

    await asyncio.gather(*(forever() for _ in range(READERS)))
    return seconds


@asynccontextmanager
async def hits(stage: Stack) -> AsyncIterator[list[float]]:
    """Seconds of each hit while the block runs, asked for by a process that does nothing else."""
    seconds: list[float] = []
    target = stage.target(7, path="/hit.png")
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    visitor = spawn.Process(target=visit, args=(stage.server.port, target, theirs), daemon=True)
    visitor.start()
    theirs.close()
    await asyncio.sleep(1)  # it imports
    yield seconds
    ours.send("stop")
    seconds += await asyncio.to_thread(ours.recv)
    visitor.join()


def tell(what: str, seconds: list[float]) -> None:
    """Print the quantiles of what was timed."""
    p50, p99 = (sorted(seconds)[int((len(seconds) - 1) * part)] * 1000 for part in (0.5, 0.99))
    print(f"{what:<32} p50 {p50:8.1f} ms  p99 {p99:8.1f} ms  ({len(seconds)})", flush=True)


async def timed(stage: Stack, *urls: str, **members: object) -> float:
    """Seconds of one invalidation, which must be confirmed."""
    began = time.perf_counter()
    told = await invalidate(stage.client, *urls, **members)
    seconds = time.perf_counter() - began
    if told.status != 200:
        raise SystemExit(f"an invalidation was answered {told.status}: {told.body}")
    return seconds


async def cleared(stage: Stack, directory: Path) -> float:
    """Seconds until the catalog has nothing uncleared."""
    began = time.perf_counter()
    catalog = SQLiteCatalog(directory / "data", Clock(), 60.0)
    blobs = FileBlobs(directory / "data" / "blobs", 5.0)
    await blobs.start()
    await catalog.start(blobs.id)
    while await catalog.uncleared(1, 1):  # noqa: ASYNC110 - another process clears
        await asyncio.sleep(0.05)
    await catalog.close()
    await blobs.close()
    return time.perf_counter() - began


async def run(rounds: int, variants: int, everything: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        async with stack(directory, workers=WORKERS, **SETTINGS) as stage:
            for _ in range(40):
                await stage.client.get(stage.target(7, path="/hit.png"))
            async with hits(stage) as quiet:
                await asyncio.sleep(5)
            tell("hits, quiet", quiet)
            one = [await timed(stage, f"{stage.origin.url}/a.png") for _ in range(rounds * 4)]
            tell("one source, no variants", one)
            many, during, clearing = [], [], []
            for number in range(rounds):
                url = f"{stage.origin.url}/many-{number}.png"
                await fill(directory, url, variants)
                async with hits(stage) as seconds:
                    many.append(await timed(stage, url))
                    clearing.append(await cleared(stage, directory))
                during += seconds
            tell(f"one source, {variants} variants", many)
            tell("hits meanwhile", during)
            tell("cleared, after the answer", clearing)
            for number in range(everything // 10_000):
                await fill(directory, f"{stage.origin.url}/all-{number}/x.png", 10_000)
            async with hits(stage) as seconds:
                all_took = await timed(stage, all=True)
                clearing = [await cleared(stage, directory)]
            tell(f"everything, {everything} entries", [all_took])
            tell("hits meanwhile", seconds)
            tell("cleared, after the answer", clearing)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--everything", type=int, default=100_000)
    asked = parser.parse_args()
    asyncio.run(run(asked.rounds, asked.variants, asked.everything))


if __name__ == "__main__":
    main()
