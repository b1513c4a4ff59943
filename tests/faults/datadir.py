"""A data directory whose server has stopped: what is in it, what must never be, what is garbage."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from imcaxy.clock import Clock
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.sweep import SIGNATURE, Limits, Sweep, Swept

DAY = 86400.0  # seconds


class Tomorrow(Clock):
    """The machine's clocks, whose wall is a day ahead: every period of grace has passed."""

    def wall(self) -> float:
        return super().wall() + DAY


@dataclass
class Left:
    """What a server has left behind."""

    entries: dict[str, tuple[int, str]]  # blob: length, SHA-256
    files: dict[str, Path]  # blob: its file
    running: set[str]  # blobs of claims without an outcome
    claimed: set[str]  # blobs of all claims but the sweep's
    buried: set[str]  # blobs in the trash
    unfinished: list[str]  # temporary files
    locks: set[str]  # incarnations with a lock file
    instances: set[str]  # incarnations with a row

    @property
    def orphans(self) -> set[str]:
        """Blobs that no entry names: harmless, but somebody has to remove them."""
        return self.files.keys() - self.entries.keys()

    def faults(self) -> list[str]:
        """What must not be at any instant: pictures lost or torn, garbage that has no name."""
        found = [f"entry without blob: {name}" for name in self.entries.keys() - self.files.keys()]
        for name in self.entries.keys() & self.files.keys():
            body = self.files[name].read_bytes()
            if (len(body), hashlib.sha256(body).hexdigest()) != self.entries[name]:
                found.append(f"torn blob of {len(body)} bytes: {name}")
        nameless = self.orphans - self.claimed - self.buried
        return found + [f"blob without a name in the catalog: {name}" for name in nameless]

    def garbage(self) -> list[str]:
        """What must not be after a sweep."""
        found = [f"blob without entry: {name}" for name in self.orphans]
        found += [f"claim for {name}" for name in self.claimed]
        found += [f"trash row: {name}" for name in self.buried]
        found += [f"temporary file: {name}" for name in self.unfinished]
        found += [f"lock file: {name}" for name in self.locks]
        return found + [f"instance row: {name}" for name in self.instances]


def look(data: Path) -> Left:
    """What is in the data directory of a server that does not run; its log is folded in by this."""
    blobs = data / "blobs"
    tops = [path for path in blobs.iterdir() if path.is_dir() and path.name != "tmp"]
    files = (path for top in tops for path in top.iterdir())
    connection = sqlite3.connect(data / "catalog.sqlite3", timeout=10)
    with contextlib.closing(connection):
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        entries = connection.execute("SELECT blob, length, digest FROM entries").fetchall()
        claims = connection.execute(
            "SELECT blob, outcome FROM claims WHERE signature != ?", (SIGNATURE,)
        ).fetchall()
        buried = connection.execute("SELECT blob FROM trash").fetchall()
        instances = connection.execute("SELECT incarnation FROM instances").fetchall()
    return Left(
        entries={blob: (length, digest) for blob, length, digest in entries},
        files={path.name: path for path in files},
        running={blob for blob, outcome in claims if outcome is None},
        claimed={blob for blob, _ in claims},
        buried={blob for (blob,) in buried},
        unfinished=[path.name for path in (blobs / "tmp").iterdir() if path.name != ".lock"],
        locks={path.name for path in (data / "instances").iterdir()},
        instances={incarnation for (incarnation,) in instances},
    )


def kept(data: Path) -> int:
    """Entries that are committed, also while a server runs."""
    connection = sqlite3.connect(f"file:{data / 'catalog.sqlite3'}?mode=ro", uri=True, timeout=10)
    with contextlib.closing(connection):
        return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


async def sweep(data: Path, clock: Callable[[], Clock] = Tomorrow) -> list[Swept]:
    """Sweep as the server does, in a directory where none runs, with every grace over.

    Until nothing is left over twice: what one sweep buries, the next one deletes.
    """
    blobs = FileBlobs(data / "blobs", 10.0)
    catalog = SQLiteCatalog(data, clock(), 10.0)
    try:
        await blobs.start()
        await catalog.start(blobs.id)
        limits = Limits(disk_limit=2**60, longest_response=0.0, lease=0.0, outcome_life=0.0)
        done: list[Swept] = []
        while len(done) < 2 or any(swept.more for swept in done[-2:]):
            mine = uuid4().hex
            sweeper = Sweep(catalog, blobs, clock(), mine, limits, blobs.remove_unfinished)
            done.append(await sweeper.sweep_once())
        return done
    finally:
        await catalog.close()
        await blobs.close()
