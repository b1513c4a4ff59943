"""Kills the server at random instants under load, and looks at what is left.

`python -m tests.faults.kill --rounds 1000`, or `make kill ROUNDS=1000`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyvips

from tests.e2e.harness import Response, Server, digest
from tests.faults import datadir

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SOURCES = ("astronaut.jpg", "camera.jpg", "chelsea.png", "coffee.jpg", "rocket.jpg")
MEDIA = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
WIDTHS = range(8, 128)
CLIENTS = 8
LONGEST = 0.7  # seconds from ready to the kill
LOOK = 5  # rounds between two looks: looking folds the log in, which the server must be able to
SWEEP = 25  # rounds between two sweeps with every grace over


@dataclass
class Tally:
    """What happened in all rounds."""

    rounds: int = 0
    made: int = 0  # whole answers that were misses
    hits: int = 0
    disk: int = 0  # of them from the disk: kept by a process that was killed since
    cut: int = 0  # answers that a kill broke off
    jobs: int = 0  # jobs that a kill broke off
    orphans: int = 0  # of them with a blob and without an entry
    swept: int = 0  # blobs that sweeps removed
    variants: int = 0  # different pictures
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Killing:
    """Rounds of start, load, kill -9 on one data directory."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.tally = Tally()
        # The disk bound makes the server's own sweep remove entries while it is being killed.
        self._server = Server(directory, source_dir=SAMPLES, disk_limit="4MiB")
        self._data = directory / "data"
        self._random = random.Random(seed)
        self._known: dict[str, tuple[str, str]] = {}  # target: ETag, digest of the body
        self._running: set[str] = set()
        self._orphans: set[str] = set()
        self._killed = False

    async def run(self, rounds: int) -> Tally:
        """All rounds, and a last sweep; `tally.faults` is empty when all is well."""
        begun = time.perf_counter()
        for number in range(1, rounds + 1):
            await self._round()
            if number % LOOK == 0 or number == rounds:
                self._look()
            if number % SWEEP == 0 or number == rounds:
                await self._sweep()
            self.tally.seconds = time.perf_counter() - begun
            if number % 50 == 0:
                print(self.tally, flush=True)  # noqa: T201 - a command
        return self.tally

    async def _round(self) -> None:
        self._killed = False
        await self._server.start()
        loads = asyncio.gather(*(self._load() for _ in range(CLIENTS)))
        await asyncio.sleep(self._random.uniform(0.0, LONGEST))
        self._killed = True
        await self._server.kill()
        await loads
        self.tally.rounds += 1

    async def _load(self) -> None:
        while not self._killed:
            target, kind, width = self._choose()
            try:
                response = await self._server.client.get(target)
            except OSError as error:
                self._expect(self._killed, f"{target}: {error}")
                return
            self._judge(target, response, kind, width)

    def _choose(self) -> tuple[str, str, int]:
        if self._known and self._random.random() < 0.3:
            target = self._random.choice(list(self._known)[-200:])
            options = dict(part.split("=") for part in target.partition("?")[2].split("&"))
            return target, options["type"], int(options["width"])
        kind = self._random.choice(sorted(MEDIA))
        width = self._random.choice(WIDTHS)
        source = self._random.choice(SOURCES)
        return f"/imaginary/resize?width={width}&type={kind}&file={source}", kind, width

    def _judge(self, target: str, response: Response, kind: str, width: int) -> None:
        if not response.whole:
            self._expect(self._killed, f"{target}: {response.ending} before the kill")
            self.tally.cut += 1
            return
        if not self._expect(response.status == 200, f"{target}: {response.status}"):
            return
        found = (response.headers["etag"], digest(response.body))
        if target not in self._known:
            self._expect(response.headers["content-type"] == MEDIA[kind], f"{target}: type")
            self._expect(_decoded(response.body) == width, f"{target}: not the picture")
            self._known[target] = found
        self._expect(self._known[target] == found, f"{target}: another picture")
        status = response.headers["cache-status"]
        self.tally.hits += "; hit" in status
        self.tally.disk += "detail=disk" in status
        self.tally.made += "fwd=miss" in status
        self.tally.variants = len(self._known)

    def _look(self) -> None:
        left = datadir.look(self._data)
        self._running |= left.running
        self._orphans |= left.orphans - left.buried
        self.tally.jobs, self.tally.orphans = len(self._running), len(self._orphans)
        self.tally.faults += left.faults()

    async def _sweep(self) -> None:
        done = await datadir.sweep(self._data)
        self._expect(all(swept.ran for swept in done), "the sweep did not run")
        self.tally.swept += sum(swept.blobs for swept in done)
        left = datadir.look(self._data)
        self.tally.faults += left.faults() + left.garbage()

    def _expect(self, holds: bool, fault: str) -> bool:
        if not holds:
            self.tally.faults.append(f"round {self.tally.rounds}: {fault}")
        return holds


def _decoded(body: bytes) -> int:
    """The width of a picture that can be decoded to its last row; 0 for anything else."""
    try:
        image = pyvips.Image.new_from_buffer(body, "", fail_on="truncated")
        image.avg()
    except pyvips.Error:
        return 0
    return int(image.width)


def main() -> int:
    """0 when no round found a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - a command
    with tempfile.TemporaryDirectory() as directory:
        killing = Killing(Path(directory), asked.seed)
        tally = asyncio.run(killing.run(asked.rounds))
        print(tally)  # noqa: T201 - a command
        if tally.faults:
            print(killing._server.output[-20_000:])  # noqa: T201 - a command
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
