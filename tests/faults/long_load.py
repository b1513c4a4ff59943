"""Holds a server under mixed load for long, and looks at its memory and its disk all the time.

`python -m tests.faults.long_load --seconds 1800`: visitors who want what is popular, a crawler that
asks for each picture once, and readers that take a large one slowly. The server may take 512 MiB of
memory in all, by the kernel's own figures, and 256 MiB of disk, by the blocks of its files. It has
two workers, or it could not make so many.
"""

import argparse
import asyncio
import itertools
import os
import random
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop

from tests.e2e.harness import Answer, Request, ScriptedImaginary, Server, png, png_of
from tests.faults import processes

MIB = 1024 * 1024
MEMORY = 512 * MIB
DISK = 256 * MIB
BESIDE = (64 + 32) * MIB  # SQLite's own log and the reserve (config/imcaxy.env)
PROCESSES = 4
WORKERS = 2
LIMITS = {
    "memory_limit": 160 * MIB,
    "stream_limit": 64 * MIB,
    "download_limit": 16 * MIB,
    "max_variant_bytes": 16 * MIB,
    "max_source_bytes": 16 * MIB,
}
CRAWLERS, VISITORS, SLOW = 24, 8, 20
POPULAR = 4000  # pictures; visits follow Zipf's law
EVERY = 1.0  # seconds between two samples
LARGE = 6 * MIB  # bytes of the picture that is read slowly
PACE = 64 * 1024  # bytes per second that a slow reader takes
ONE_TIME = 1_000_000  # pictures that are asked for once; then the crawler begins again
_BODIES = [png_of(size, seed=size) for size in (2000, 5000, 9000, 14_000, 30_000, 60_000)]
_LARGE = png_of(LARGE)


class Maker(ScriptedImaginary):
    """Makes a picture whose size depends on the width; remembers nothing."""

    def choose(self, request: Request) -> Answer:
        """The large one for a height of 1."""
        if request.method == "GET":
            return super().choose(request)
        if request.query.get("height") == "1":
            return Answer(_LARGE)
        return Answer(_BODIES[int(request.query.get("width", 0)) % len(_BODIES)])

    def note(self, request: Request) -> None:
        """Only their number."""
        self.counts["made"] += 1


@dataclass
class Seen:
    """What was seen; sizes are the highest, in bytes."""

    memory: int = 0  # PSS of all processes at one instant
    resident: int = 0  # VmHWM of all processes together, the kernel's own high-water marks
    disk: int = 0  # blocks of all files but SQLite's log and the reserve
    beside: int = 0  # these two
    samples: int = 0
    one_time: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)  # what the server's log told

    def __str__(self) -> str:
        return (
            f"memory {self.memory / MIB:.0f} MiB (peaks together {self.resident / MIB:.0f}) "
            f"of {MEMORY // MIB}; disk {self.disk / MIB:.0f} MiB of {DISK // MIB}, beside it "
            f"{self.beside / MIB:.0f} of {BESIDE // MIB}; {self.samples} samples; "
            f"{self.one_time} asked for once; {dict(self.tiers.most_common(6))}"
        )


class Load:
    """The three kinds of clients on one server."""

    def __init__(self, directory: Path, seconds: float, seed: int = 1) -> None:
        self._sources = directory / "sources"
        self._seconds = seconds
        self._random = random.Random(seed)
        self._weights = list(itertools.accumulate(1 / n for n in range(1, POPULAR + 1)))
        self._once = itertools.count()
        self._over = False
        self.seen = Seen()
        self._disk = Disk(directory / "data")
        self._server = Server(
            directory, disk_limit=DISK, processes=PROCESSES, workers=WORKERS, **LIMITS
        )

    async def run(self) -> Seen:
        """Load it for the time, then stop it gracefully."""
        self._sources.mkdir()
        (self._sources / "photo.png").write_bytes(png())
        async with Maker() as maker:
            self._server.settings |= {
                "imaginary_service_url": maker.url,
                "source_dir": self._sources,
                "queue_limit": 256,
            }
            async with self._server:
                tasks = [self._crawl() for _ in range(CRAWLERS)]
                tasks += [self._visit() for _ in range(VISITORS)]
                tasks += [self._read_slowly() for _ in range(SLOW)]
                await asyncio.gather(self._look(), *tasks)
                await self._server.stop(60.0)
        self.seen.messages.update(told(self._server.output))
        return self.seen

    async def _crawl(self) -> None:
        async with Line(self._server.port) as line:
            while not self._over:
                number = next(self._once) % ONE_TIME
                self.seen.one_time += 1
                target = f"resize?width={number % 1000 + 1}&height={number // 1000 + 2}"
                self._count(await line.get(f"/imaginary/{target}&file=photo.png"))

    async def _visit(self) -> None:
        numbers = range(1, POPULAR + 1)
        async with Line(self._server.port) as line:
            while not self._over:
                for number in self._random.choices(numbers, cum_weights=self._weights, k=50):
                    target = f"/imaginary/enlarge?width={number}&height=2&file=photo.png"
                    self._count(await line.get(target))
                await asyncio.sleep(0.05)

    async def _read_slowly(self) -> None:
        await asyncio.sleep(self._random.uniform(0, 5))
        while not self._over:
            width = self._random.randrange(1, 9)
            target = f"/imaginary/resize?width={width}&height=1&file=photo.png"
            async with Line(self._server.port, buffer=PACE) as line:
                self._count(await line.get(target, pace=PACE, until=lambda: self._over))

    def _count(self, answer: tuple[int, str, int]) -> None:
        status, tier, missing = answer
        self.seen.tiers[tier if status == 200 else str(status)] += 1
        if missing and not self._over:
            self.seen.faults.append(f"{status} {tier} lacks {missing} bytes")

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while loop.time() < end:
            await asyncio.sleep(EVERY)
            await asyncio.to_thread(self._sample)
        self._over = True

    def _sample(self) -> None:
        pids, seen = processes.tree(self._server.process.pid), self.seen
        memory = sum(map(processes.proportional, pids))
        disk, beside = self._disk.taken()
        seen.samples += 1
        seen.memory = max(seen.memory, memory)
        seen.resident = max(seen.resident, sum(map(processes.peak, pids)))
        seen.disk, seen.beside = max(seen.disk, disk), max(seen.beside, beside)
        for name, value, limit in (
            ("memory", max(memory, seen.resident), MEMORY),
            ("disk", disk, DISK),
            ("beside", beside, BESIDE),
        ):
            if value > limit:
                seen.faults.append(f"sample {seen.samples}: {name} {value} of {limit}")
        if seen.samples % 30 == 0:
            print(f"{seen.samples:5} {seen}; now {memory // MIB} MiB", flush=True)  # noqa: T201 - a command


class Line:
    """One connection, made anew when the server has ended it."""

    def __init__(self, port: int, buffer: int = 0) -> None:
        self._port = port
        self._buffer = buffer
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()

    async def get(
        self, target: str, pace: int = 0, until: Callable[[], bool] | None = None
    ) -> tuple[int, str, int]:
        """Status, tier of the hit or how it was made, and the bytes that are missing."""
        if self._streams is None:
            connection = socket.socket()
            if self._buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
            self._streams = await asyncio.open_connection(
                sock=connection, limit=self._buffer or 2**16
            )
        reader, writer = self._streams
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (ConnectionError, asyncio.IncompleteReadError):
            self._streams = None
            return 0, "", 0
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        missing = int(fields.get("content-length", 0))
        chunked = "chunked" in fields.get("transfer-encoding", "")
        while chunked or missing:
            size = int(await reader.readline(), 16) + 2 if chunked else missing
            left = await self._body(reader, size, pace, until)
            missing = left
            if left or (chunked and size == 2):
                break
        status, tier = int(head[9:12]), fields.get("cache-status", "").removeprefix("imcaxy; ")
        if missing or fields.get("connection") == "close":
            writer.transport.abort()
            self._streams = None
        return status, tier, missing

    async def _body(
        self,
        reader: asyncio.StreamReader,
        size: int,
        pace: int,
        until: Callable[[], bool] | None,
    ) -> int:
        while size:
            try:
                piece = await reader.read(min(size, pace or size))
            except ConnectionError:
                return size
            if not piece:
                return size
            size -= len(piece)
            if until is not None and until():
                return 0
            if pace:
                await asyncio.sleep(len(piece) / pace)
        return 0


def told(output: str) -> Counter[str]:
    """The messages of a server's log, without the requests."""
    lines = (line for line in output.splitlines() if '"message"' in line)
    return Counter(str(orjson.loads(line)["message"]) for line in lines)


class Disk:
    """Bytes of the blocks of all files and folders of a server; folders are beside the limit."""

    def __init__(self, data: Path) -> None:
        self._data = str(data)

    def taken(self) -> tuple[int, int]:
        """Those that the disk limit is for, and those beside it."""
        disk = beside = 0
        for folder, _, names in os.walk(self._data):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                try:
                    size = os.stat(path).st_blocks * 512  # noqa: PTH116 - very many
                except FileNotFoundError:
                    continue
                if path is folder or path.endswith(("-wal", "-shm", "/reserve")):
                    beside += size
                else:
                    disk += size
        return disk, beside


def main() -> int:
    """0 when every sample was below the limits and every answer whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        seen = uvloop.run(Load(Path(directory), asked.seconds).run())
    print(seen)  # noqa: T201 - a command
    print(dict(seen.messages))  # noqa: T201 - a command
    for fault in seen.faults[:20]:
        print(fault)  # noqa: T201 - a command
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
