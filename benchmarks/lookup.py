"""How long a look-up in SQLite takes with a thousand entries and with a million.

`python benchmarks/lookup.py [--entries 1000000]`: signatures in random order, alternating between
the two catalogs, both as the statement alone and through the thread hop as the server does it.
"""

import argparse
import asyncio
import hashlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imcaxy.clock import Clock
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import parse_source_url
from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog import rows, schema
from imcaxy.store.catalog.base import Entry
from imcaxy.store.catalog.sqlite import SQLiteCatalog

FEW = 1000
GOAL = 1.2  # times as long
ROUNDS, EACH = 15, 2000
VARIANTS = 4  # of each source
RECORDS = 1000  # invalidations since the entries were made


def signature(number: int) -> str:
    return hashlib.sha256(f"signature {number}".encode()).hexdigest()


def entry(number: int, keys: tuple[str, ...]) -> Entry:
    blob = hashlib.sha256(f"blob {number}".encode()).hexdigest()[:32]
    return Entry(
        blob=blob,
        signature=signature(number),
        keys=keys,
        as_of=LOG_START,
        sum=BlobSum(20_000, signature(-number)),
        head=Head("image/webp", 20_000, f'"{blob}"', 1.7e9),
        cost=0.1,
        used=1.7e9 + number,
        request=f"/imaginary/resize?url=https%3A%2F%2Fexample.com%2Fmedia%2F{number}.jpg&width=640",
    )


def entries(count: int) -> Iterator[Entry]:
    keys: tuple[str, ...] = ()
    for number in range(count):
        if number % VARIANTS == 0:
            url = f"https://www.example.com/media/{number % 499}/products/{number}.jpg"
            keys = purge_keys([parse_source_url(url)])
        yield entry(number, keys)


def fill(path: Path, count: int) -> float:
    """Insert so many entries, without the server's transactions; MiB per thousand of them."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    indexes = ("entries_signature", "entries_used", "entry_keys_key")
    found = [
        connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
        for name in indexes
    ]
    for name in indexes:
        connection.execute(f"DROP INDEX {name}")
    marks = ",".join("?" * len(rows.from_entry(entry(0, ()))))
    insert = f"INSERT INTO entries ({schema.ENTRY}) VALUES ({marks})"  # noqa: S608 - constants
    for each in entries(count):
        connection.execute(insert, rows.from_entry(each))
        pairs = [(each.blob, key) for key in each.keys]
        connection.executemany("INSERT INTO entry_keys (blob, key) VALUES (?, ?)", pairs)
    for sql in found:
        connection.execute(sql)
    for number in range(1, RECORDS + 1):  # invalidations of other pictures
        facts = (number, f"r{number}", "[]", "[]", "", "", 0.0)
        connection.execute("INSERT INTO log VALUES (?,?,?,?,?,?,?)", facts)
        hits = [(signature(-number * 10 - n), number) for n in range(5)]
        connection.executemany("INSERT INTO log_keys (key, number) VALUES (?, ?)", hits)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.stat().st_size / 2**20 / count * 1000


async def hop(catalog: SQLiteCatalog, names: list[str]) -> list[float]:
    """Microseconds of each look-up through the thread."""
    taken = []
    for name in names:
        began = time.perf_counter()
        found = await catalog.find(name)
        taken.append((time.perf_counter() - began) * 1e6)
        if found is None:
            message = f"{name} is not found"
            raise RuntimeError(message)
    return taken


def alone(connection: sqlite3.Connection, names: list[str]) -> list[float]:
    """Microseconds of each statement on this thread."""
    taken = []
    for name in names:
        began = time.perf_counter()
        rows.to_entry(connection.execute(schema.FIND, (name,)).fetchone())
        taken.append((time.perf_counter() - began) * 1e6)
    return taken


def told(taken: list[float]) -> str:
    centiles = statistics.quantiles(taken, n=1000)
    return f"median {centiles[499]:6.1f} µs, p99 {centiles[989]:7.1f}, p99.9 {centiles[998]:7.1f}"


async def measure(directory: Path, many: int) -> float:
    """The ratio of the medians through the hop."""
    counts = (FEW, many)
    catalogs = {count: SQLiteCatalog(directory / str(count), Clock(), 60.0) for count in counts}
    hops: dict[int, list[float]] = {count: [] for count in counts}
    alones: dict[int, list[float]] = {count: [] for count in counts}
    connections = {}
    for count, catalog in catalogs.items():
        await catalog.start("benchmark")
        path = directory / str(count) / "catalog.sqlite3"
        size = fill(path, count)
        print(f"{count} entries: {size:.2f} MiB per thousand")
        connections[count] = sqlite3.connect(path)
    for _ in range(ROUNDS):
        for count in counts:
            names = [signature(random.randrange(count)) for _ in range(EACH)]
            hops[count] += await hop(catalogs[count], names)
            alones[count] += alone(connections[count], names)
    for count in counts:
        print(f"{count:8} entries  through the thread: {told(hops[count])}")
        print(f"{'':8}          the statement alone: {told(alones[count])}")
        await catalogs[count].close()
        connections[count].close()
    few, some = (statistics.median(alones[count]) for count in counts)
    print(f"the statement alone: {some / few:.2f} x the time")
    few, some = (statistics.median(hops[count]) for count in counts)
    print(f"look-up: {some / few:.2f} x the time (goal: {GOAL} at most)")
    return some / few


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        ratio = asyncio.run(measure(Path(directory), asked.entries))
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
