"""The program with faults that a test asks for: `python -m tests.faults.saboteur serve …`.

What to do lies in the directory that SABOTAGE names, as files:

`kill-POINT`      the first process to come there is killed (and takes the file away)
`cut-PID`         that process' catalog answers nothing
`slow-blobs`      every blob takes as many seconds as the file says
`made`            written here: a line for each picture that is made, with its signature, log
                  number and claim (0: the catalog did not answer, so it was not kept)

MUTANT switches one rule of the purge protocol off, to see that a test notices.
"""

import asyncio
import contextlib
import inspect
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imcaxy import cli
from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation import clearing, confirming, follower, ledger, purge
from imcaxy.jobs import claims, job
from imcaxy.server import workers
from imcaxy.sources import downloads
from imcaxy.store import memory, store
from imcaxy.store.catalog import liveness, mongo, schema, sqlite
from imcaxy.store.catalog.base import LogRecord

PLACE = Path(os.environ.get("SABOTAGE", "."))
SHARED = "IMCAXY_MONGO_CONNECTION_STRING" in os.environ  # the catalog is MongoDB's
POINTS = (
    *("P1.before", "P1.after", "P2", "P2.done", "P3.page", "P3.deleted", "P3.done"),
    *("I0.registered", "I0.read", "I1.before", "I1.applied", "I1.told", "I2", "I3"),
    *("I4.read", "I4.blob", "I4.entry"),
)


def point(name: str) -> None:
    """Die here if that is wished."""
    try:
        (PLACE / f"kill-{name}").unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, before: str = "", after: str = "") -> None:
    """Put points before and behind a method."""
    inner = getattr(owner, name)

    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        point(before)
        result = await inner(*args, **kwargs)
        point(after)
        return result

    def synchronous(*args: Any, **kwargs: Any) -> Any:
        point(before)
        result = inner(*args, **kwargs)
        point(after)
        return result

    wrapped = asynchronous if inspect.iscoroutinefunction(inner) else synchronous
    setattr(owner, name, wrapped)


def points() -> None:
    """Every point at which a process may be killed."""
    catalog: Any = mongo.MongoCatalog if SHARED else sqlite.SQLiteCatalog
    around(catalog, "append", "P1.before", "P1.after")
    around(confirming.Confirming, "wait", "P2", "P2.done")
    around(catalog, "delete_entries", "P3.page", "P3.deleted")
    around(clearing.Clearing, "clear", after="P3.done")
    around(follower.Follower, "_tell", after="I0.registered")
    around(ledger.Ledger, "begin", after="I0.read")
    around(ledger.Ledger, "apply", "I1.before", "I1.applied")
    around(follower.Follower, "tell", after="I1.told")
    around(memory.MemoryTier, "put", "I2")
    around(catalog, "find", after="I3")
    around(job.Job, "_begin", after="I4.read")
    around(catalog, "insert_entry", "I4.blob", "I4.entry")


def cut_off() -> None:
    """Let the catalog fail while a file names this process."""
    mine = PLACE / f"cut-{os.getpid()}"

    def failing(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if mine.exists():
                raise CatalogError("cut off")
            return await inner(*args, **kwargs)

        return call

    for name in ("_all", "_run_scan", "_write"):
        setattr(sqlite.SQLiteCatalog, name, failing(getattr(sqlite.SQLiteCatalog, name)))


def slow_blobs() -> None:
    """Let reading a kept blob take a while."""
    blobs = store.Store
    inner = blobs._open

    async def slowly(self: store.Store, entry: Any) -> Any:
        found = await inner(self, entry)
        with contextlib.suppress(FileNotFoundError):
            await asyncio.sleep(float((PLACE / "slow-blobs").read_text()))
        return found

    blobs._open = slowly  # type: ignore[method-assign] # what this file is for


def count_jobs() -> None:
    """Write a line for each picture that is made."""
    inner = job.Job._make

    async def counted(self: job.Job, claim: Any) -> bool:
        kept = await inner(self, claim)
        with (PLACE / "made").open("a") as made:
            number = claim.number if claim and kept else 0
            made.write(f"{self._signature} {self._as_of.number} {number} {os.getpid()}\n")
        return kept

    job.Job._make = counted  # type: ignore[method-assign] # what this file is for


class Mutants:
    """Each switches one rule off."""

    @staticmethod
    def i2() -> None:
        """What is handed out, or put into memory, is not compared with what was purged."""
        ledger.Ledger.allows = lambda *_: True  # type: ignore[method-assign] # what this file is for
        store.Store.look_up = _look_up_once  # type: ignore[method-assign] # what this file is for
        inner = store.Store.apply

        def apply(self: store.Store, number: int, keys: Any) -> None:
            epoch, applied = self._epoch, self._applied
            inner(self, number, keys)
            self._epoch, self._applied = epoch, applied

        store.Store.apply = apply  # type: ignore[method-assign] # what this file is for

    @staticmethod
    def i3() -> None:
        """An entry is served whatever the log says."""
        liveness.is_live = _always  # type: ignore[assignment] # what this file is for
        text = schema.FIND
        start, end = text.index("AND EXISTS"), text.index("ORDER BY")
        schema.FIND = text[:start] + text[end:]

    @staticmethod
    def i4() -> None:
        """A download that runs already is shared, however old."""
        inner = downloads.Downloads._hold

        @contextlib.asynccontextmanager
        async def hold(
            self: downloads.Downloads, source: Any, as_of: LogPosition
        ) -> AsyncIterator[Any]:
            found = self._joinable.get(source)
            if found is not None:
                found.as_of = as_of
            async with inner(self, source, as_of) as original:
                yield original

        downloads.Downloads._hold = hold  # type: ignore[method-assign] # what this file is for
        downloads.Downloads.apply = lambda *_: None  # type: ignore[method-assign] # what this file is for

    @staticmethod
    def late() -> None:
        """An instance that was paused answers without a look at the log (6.5)."""
        follower.Follower.is_current = property(lambda _: True)  # type: ignore[assignment] # what this file is for

    @staticmethod
    def numbers() -> None:
        """A number is taken first and written later, as with a counter."""

        async def append(self: purge.Purger, asked: Any, keys: Any) -> LogRecord:
            mine = await self._catalog.record_of(asked.request)
            if mine is not None:
                return mine
            head = await self._catalog.head()
            counter = PLACE / "counter"
            with contextlib.suppress(FileNotFoundError):
                head = LogPosition(max(head.number, int(counter.read_text() or 0)), "")
            counter.write_text(str(head.number + 1))
            record = self._record(asked, head, keys)
            await self._catalog.append(record)
            return record

        purge.Purger._append = append  # type: ignore[method-assign] # what this file is for

    @staticmethod
    def k2() -> None:
        """Who won a claim begins at once."""

        async def take(self: claims.Claims, wanted: claims.Wanted) -> Any:
            checked = wanted.look_up
            won: list[Any] = []

            async def look_up() -> Any:
                return None if won else await checked()

            inner = self._catalog.insert_claim

            async def insert(claim: Any) -> bool:
                if await inner(claim):
                    won.append(claim)
                    return True
                return False

            blind = claims.Claims.__new__(claims.Claims)
            blind.__dict__.update(self.__dict__)
            blind._catalog = _Replacing(self._catalog, insert)
            blind._outbid = _never  # type: ignore[method-assign, assignment] # what this file is for
            return await original(blind, _with(wanted, look_up))

        original = claims.Claims.take
        claims.Claims.take = take  # type: ignore[method-assign] # what this file is for


class _Replacing:
    """A catalog with another `insert_claim`."""

    def __init__(self, inner: Any, insert: Any) -> None:
        self._inner = inner
        self.insert_claim = insert
        self.insert_first_claim = _never  # which leaves nothing to look for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def _never(*_: object) -> bool:
    return False


async def _always(*_: object) -> bool:
    return True


def _with(wanted: claims.Wanted, look_up: Any) -> claims.Wanted:
    blind: claims.Wanted = replace(wanted, look_up=look_up)
    return blind


async def _look_up_once(self: store.Store, signature: str) -> Any:
    load = self._loads.get(signature) or self._start_load(signature)
    _, found = await asyncio.shield(load)
    if isinstance(found, Exception):
        raise found
    return found


def main() -> int:
    """Run the program, its workers too, with everything that is asked for."""
    workers_command = [sys.executable, "-m", "tests.faults.saboteur", "worker"]
    workers.worker_command = lambda: workers_command
    from imcaxy import app  # noqa: PLC0415 - it has taken the name already

    app.worker_command = lambda: workers_command  # type: ignore[attr-defined] # what this file is for
    if mutant := os.environ.get("MUTANT"):
        getattr(Mutants, mutant)()
    points()
    cut_off()
    slow_blobs()
    count_jobs()
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
