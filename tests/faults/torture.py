"""Purges under every fault that we know, and looks for an old picture after each.

The source's pixels say which version it is. In each round the version is raised, the source is
invalidated, and after the answer every variant is read from every worker while others read all the
time: a picture older than the last answered invalidation is a fault, and so is a variant that is
made twice in a quiet round.

`python -m tests.faults.torture --rounds 2000`, or `make torture ROUNDS=2000`; `--mutant NAME`
switches a rule of the protocol off, which must be noticed. `--on ferretdb+minio` tortures three
instances on these servers and the real Imaginary (fleet_torture.py) instead of four workers.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from imcaxy.tasks import Tasks
from tests.e2e.harness import Answer, Request, ScriptedOrigin
from tests.e2e.purging import Told, invalidate, look
from tests.faults.saboteur import POINTS
from tests.faults.tortured import WORKERS, Tortured, Workers
from tests.faults.versioned import version_of, versioned

PATH = "/v.png"
WIDTHS = (64, 96, 192)  # pixels; narrower than 4 for each bit it could not be told
READERS = 4  # that read all the time
STIRRED = 6  # new variants that are asked for just before an invalidation
READS = 32  # after each invalidation; a worker is missed by all of them once in 10,000 rounds
PAUSES = (0.05, 0.05, 1.0)  # seconds more; with the last a deadline of the catalog passes meanwhile
TOLD = 50  # rounds after which it is said how far they are
MUTANTS = ("i2", "i3", "i4", "late", "numbers", "k2")
# Kinds of rounds and how often they come; a cut-off lasts as long as the shortest grace.
KINDS = {"quiet": 60, "kill": 24, "slow": 12, "stop": 4, "cut": 0.15}


class Made(NamedTuple):
    """A picture that was made."""

    signature: str
    as_of: int
    claim: int  # 0: the catalog did not answer, so it was not kept


@dataclass
class Tally:
    """What happened."""

    rounds: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    made: int = 0
    unclaimed: int = 0  # of them not kept, in quiet rounds: the catalog was too slow
    killed: Counter[str] = field(default_factory=Counter)
    repeated: int = 0  # calls that were sent again under their request
    pending: int = 0  # answers 202
    late: int = 0  # old pictures from an instance that a 202 had named
    seconds: list[float] = field(default_factory=list)  # of invalidations in quiet rounds
    faults: list[str] = field(default_factory=list)


class Torture:
    """One source, and a version that only grows."""

    kinds: Mapping[str, float] = KINDS

    def __init__(self, place: Path, seed: int, tortured: Tortured) -> None:
        self.tally = Tally()
        self._place = place
        self._random = random.Random(seed)
        self._version = 1  # what the origin serves
        self._floors = dict.fromkeys(range(tortured.size), 1)  # what answers promise, by instance
        self._round_is = ""  # the number and kind of the one that runs
        self._took = 0.0  # seconds of the last invalidation
        self._tasks = Tasks()
        self._origin = ScriptedOrigin()
        self._at = tortured

    async def run(self, rounds: int, *, until_fault: bool = False) -> Tally:
        """That many rounds, or up to the first fault."""
        async with self._origin, self._at, self._reading():
            self._origin.script(PATH, self._picture)
            for number in range(rounds):
                kind = self._random.choices(list(self.kinds), list(self.kinds.values()))[0]
                self.tally.rounds[kind] += 1
                self._round_is = f"round {number}, {kind}"
                try:
                    async with asyncio.timeout(4 * self._at.patience):
                        await self._round(kind)
                except TimeoutError:
                    self._fault("did not end")
                if number % TOLD == TOLD - 1:
                    told_so_far = f"{number + 1} rounds, {len(self.tally.faults)} faults"
                    print(told_so_far, flush=True)  # noqa: T201 - who waits wants to know
                if self.tally.faults and (until_fault or len(self.tally.faults) > 9):
                    break
            self.tally.made = len(self._made())
        return self.tally

    def _picture(self, _: Request) -> Answer:
        """The present version; it often arrives late, when it may be the present one no more."""
        delay = self._random.choice((0.0, 0.0, 0.01, 0.05, 0.2))
        return Answer(versioned(self._version), delay=delay)

    def _target(self, width: int) -> str:
        source = quote(self._origin.url + PATH, safe="")
        return f"/imaginary/resize?width={width}&type=png&url={source}"

    async def _round(self, kind: str) -> None:
        await getattr(self, f"_{kind}")()
        await self._read_all(quiet=kind == "quiet")
        await self._tasks.drain(20.0)

    async def _quiet(self) -> None:
        before = len(self._made())
        told = await self._purge()
        self.tally.seconds.append(self._took)
        if told.status != 200 and not (told.status == 202 and self._at.shared):
            self._fault(f"a quiet invalidation was answered {told.status}: {told.body}")
        await self._read_all(quiet=True)
        made = [each for each in self._made()[before:] if each.as_of >= told.body["number"]]
        claimed = Counter(each.signature for each in made if each.claim)
        self.tally.unclaimed += sum(not each.claim for each in made)
        for signature, times in claimed.items():
            if times > 1:
                claims = [each.claim for each in made if each.signature == signature]
                self._fault(f"a variant was made {times} times for one version: claims {claims}")

    async def _kill(self) -> None:
        where = self._random.choice(POINTS)
        armed = self._place / f"kill-{where}"
        armed.touch()
        if where.startswith("I0"):  # only a process that starts comes there
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._random.choice(sorted(self._at.pids)), signal.SIGKILL)
        await self._purge()
        await self._read_all(quiet=False)
        if not armed.exists():
            self.tally.killed[where] += 1
        armed.unlink(missing_ok=True)
        await self._at.mended()

    async def _slow(self) -> None:
        """Workers read from the disk, slowly, what another has made, while it is invalidated."""
        widths = [self._random.randrange(min(WIDTHS), 400) for _ in range(STIRRED)]
        await asyncio.gather(*map(self._read, widths))
        (self._place / "slow-blobs").write_text(str(self._random.choice((0.05, 0.1, 0.3))))
        for width in widths * WORKERS:
            self._tasks.detach(self._read(width), "slow")
        await self._purge()
        (self._place / "slow-blobs").unlink()
        await self._tasks.drain(20.0)
        await asyncio.gather(*(self._read(width) for width in widths * WORKERS))

    async def _stop(self) -> None:
        stopped = self._random.choice(sorted(self._at.pids))
        os.kill(stopped, signal.SIGSTOP)
        try:
            told = await self._purge(stopped=stopped)
            # They wait in its queue, and were sent after the invalidation was durable.
            waiting = [self._tasks.start(self._read(), "queue") for _ in range(READS)]
            await asyncio.sleep(self._random.choice(PAUSES))
        finally:
            os.kill(stopped, signal.SIGCONT)
        await asyncio.gather(*waiting)
        if await self._done(told.body["number"]):
            self._promise(self._version)

    async def _cut(self) -> None:
        victim = self._random.choice(sorted(self._at.pids))
        cut = self._place / f"cut-{victim}"
        cut.touch()
        try:
            await asyncio.sleep(1.5)
            await self._purge()
            await self._read_all(quiet=False)
        finally:
            cut.unlink()

    async def _purge(self, stopped: int | None = None) -> Told:
        """Raise the version and invalidate until it is done; then older ones are faults.

        New variants are asked for just before, so that downloads and jobs of the old version are
        under way meanwhile.
        """
        widths = [self._random.randrange(min(WIDTHS), 400) for _ in range(STIRRED)]
        for width in widths:
            self._tasks.detach(self._read(width), "stir")
        await asyncio.sleep(self._random.choice((0.0, 0.01, 0.03)))
        self._version += 1
        began = time.perf_counter()
        version, request = self._version, uuid.uuid4().hex
        deadline = began + self._at.patience
        while True:
            told = await self._call(request)
            if told is not None and told.status == 200:
                break
            if told is not None and told.status == 202:
                self.tally.pending += 1
                self._promise(version, told.body["unconfirmed"])
                if stopped is not None and _only(told, stopped):
                    if not self._at.shared:  # else its look may take longer than a request waits
                        self._promise(version)
                    return told
                if await self._done(told.body["number"]):
                    break
                return told
            if time.perf_counter() > deadline:
                self._fault(f"an invalidation was not done in {self._at.patience} s: {told}")
                return Told(0, {"number": 0})
            self.tally.repeated += 1
        self._promise(version)
        self._took = time.perf_counter() - began
        return told

    def _promise(self, version: int, but: Sequence[str] = ()) -> None:
        """From now on every instance serves this version, but for those whose names are given."""
        for index in self._at.confirmed(but):
            self._floors[index] = version

    async def _call(self, request: str) -> Told | None:
        try:
            async with asyncio.timeout(2 * self._at.purge_timeout):
                _, client = self._at.choose(self._random)
                return await invalidate(client, self._origin.url + PATH, request=request)
        except (OSError, TimeoutError, AssertionError, ValueError):
            return None

    async def _done(self, number: int) -> bool:
        """Whether the invalidation is done in time; a fault when it is not."""
        deadline = time.perf_counter() + self._at.patience
        while time.perf_counter() < deadline:
            try:
                async with asyncio.timeout(2):
                    _, client = self._at.choose(self._random)
                    told = await look(client, f"/invalidations/{number}")
                if told.body.get("status") == "done":
                    return True
            except (OSError, TimeoutError, AssertionError, ValueError):
                pass
            await asyncio.sleep(self._at.pause)
        self._fault(f"invalidation {number} was not confirmed in {self._at.patience} s")
        return False

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        async def forever() -> None:
            while True:
                await self._read()
                await asyncio.sleep(self._random.random() * 0.02)

        tasks = Tasks()
        for _ in range(READERS):
            tasks.detach(forever(), "reader")
        try:
            yield
        finally:
            await tasks.drain(0.0)

    async def _read_all(self, *, quiet: bool) -> None:
        await asyncio.gather(*(self._read(quiet=quiet) for _ in range(READS)))

    async def _read(self, width: int | None = None, *, quiet: bool = False) -> None:
        index, client = self._at.choose(self._random)
        floor, newest = self._floors[index], max(self._floors.values())
        target = self._target(width or self._random.choice(WIDTHS))
        try:
            async with asyncio.timeout(20):
                answer = await client.get(target)
        except (OSError, TimeoutError, AssertionError, ValueError) as error:
            if quiet:
                self._fault(f"a read broke in a quiet round: {error!r}")
            return
        self.tally.reads += 1
        if answer.status != 200 or answer.ending != "whole":
            if quiet:
                self._fault(f"a read in a quiet round: {answer.status} {answer.ending}")
            return
        version = version_of(answer.body)
        self.tally.late += floor <= version < newest
        if version < floor:
            status = answer.headers["cache-status"]
            self._fault(f"version {version} was served after {floor} was promised ({status})")

    def _made(self) -> list[Made]:
        try:
            lines = (self._place / "made").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Made(line[0], int(line[1]), int(line[2])) for line in map(str.split, lines)]

    def _fault(self, text: str) -> None:
        self.tally.faults.append(f"{self._round_is}: {text}")
        print(f"FAULT {self.tally.faults[-1]}", flush=True)  # noqa: T201 - who waits wants to know


def _only(told: Told, pid: int) -> bool:
    """Whether nobody but this process has not confirmed."""
    return [name.rpartition("/")[2] for name in told.body["unconfirmed"]] == [str(pid)]


def torture(rounds: int, seed: int, mutant: str = "", on: str = "") -> Tally:
    """Rounds on a directory of their own; `on` is a catalog and a bucket, as `ferretdb+minio`."""
    with tempfile.TemporaryDirectory(prefix="imcaxy-torture-") as name:
        place = Path(name)
        if on:
            from tests.faults.fleet_torture import FleetTorture, Instances  # noqa: PLC0415 - a ring

            it: Torture = FleetTorture(place, seed, Instances(place, on, mutant))
        else:
            it = Torture(place, seed, Workers(place, mutant))
        return asyncio.run(it.run(rounds, until_fault=bool(mutant)))


def told(tally: Tally) -> str:
    """What happened, for people."""
    lines = [
        f"rounds: {dict(tally.rounds)}, killed at: {dict(tally.killed)}",
        f"{tally.reads} reads, {tally.made} pictures made ({tally.unclaimed} not kept)",
        f"{tally.pending} answers 202, {tally.repeated} calls repeated; {tally.late} old pictures "
        "from instances that a 202 had named",
    ]
    if quiet := sorted(tally.seconds):
        median, p99 = quiet[len(quiet) // 2], quiet[int(len(quiet) * 0.99)]
        lines.append(f"quiet invalidations: median {median:.3f} s, p99 {p99:.3f} s")
    return "\n".join([*lines, f"{len(tally.faults)} faults"])


def main() -> int:
    """0 when no round found a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--mutant", choices=MUTANTS, default="")
    parser.add_argument("--on", default="", metavar="CATALOG+BUCKET")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - a command
    began = time.perf_counter()
    tally = torture(asked.rounds, asked.seed, asked.mutant, asked.on)
    rounds, seconds = sum(tally.rounds.values()), time.perf_counter() - began
    print(f"{rounds} rounds in {seconds:.0f} s\n{told(tally)}")  # noqa: T201 - a command
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
