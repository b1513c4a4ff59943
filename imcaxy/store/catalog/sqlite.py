"""The catalog in one SQLite file, shared by the processes of one machine (design 6.14)."""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import orjson

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.store.catalog import faults, rows, schema
from imcaxy.store.catalog.base import (
    CONFIRMED,
    Claim,
    Cleared,
    Entry,
    Instance,
    LogRecord,
    Pace,
    Trash,
    Usage,
)
from imcaxy.store.catalog.connections import Connections
from imcaxy.store.catalog.group_commit import GroupCommit
from imcaxy.store.catalog.incarnations import Incarnations
from imcaxy.store.catalog.reserve import Reserve
from imcaxy.store.filesystem import make_directory, refuse_network
from imcaxy.store.threads import Threads

T = TypeVar("T")

_READERS = 2  # threads; a read of a warm page takes some tens of microseconds
_PACE = Pace(poll=0.025, late=1.0, dead_are_known=True)
_SCAN = 10  # times the timeout: the sweep's reads look at whole tables and nobody waits for them


class SQLiteCatalog:
    """The catalog as `<directory>/catalog.sqlite3`.

    Every operation ends within `timeout` seconds (the sweep's scans within ten times that), with
    CatalogError when it has not succeeded. A fault that ends needs no restart: the next call opens
    the file again. `write_instance` also locks `<directory>/instances/<incarnation>`, by which
    the machine's other processes know that this one lives. Start it after forking.
    `<directory>/reserve` takes space that a full disk gives to what must be written: invalidations,
    and whatever removes things.
    """

    def __init__(self, directory: Path, clock: Clock, timeout: float = 2.0) -> None:
        self._directory = directory
        self._clock = clock
        self._timeout = timeout
        self._connections = Connections(directory / "catalog.sqlite3", clock, timeout)
        self._incarnations = Incarnations(directory / "instances", clock)
        self._reserve = Reserve(directory / "reserve")
        self._writer = GroupCommit(self._connections, clock, timeout)
        self._readers = Threads("catalog-read", _READERS)
        self._scanner = Threads("catalog-scan", 1)
        for threads in (self._readers, self._scanner):
            threads.at_end(self._connections.close_mine)
        self._closed = False

    @property
    def pace(self) -> Pace:
        """Often, as one look takes about a tenth of a millisecond; flocks tell of the dead."""
        return _PACE

    async def start(self, blobs_id: str) -> None:
        """Open the file, creating it when it is not there.

        Raises SettingsError that names IMCAXY_DATA_DIR when the directory cannot hold a catalog,
        CatalogError when the file is damaged or locked.
        """

        def begin() -> None:
            make_directory(self._directory / "instances")
            refuse_network(self._directory)
            self._connections.create(blobs_id)
            self._reserve.fill()

        with self._translated():
            await self._scanner.run(begin, self._timeout * 2)
        known = {instance.incarnation for instance in await self.instances()}
        with self._translated():
            await self._scanner.run(partial(self._incarnations.tidy, known), self._timeout)

    async def join(self) -> None:
        """Open the file that is there; CatalogError when there is none."""
        refuse_network(self._directory)
        with self._translated():
            await self._scanner.run(self._connections.join, self._timeout * 2)

    async def head(self) -> LogPosition:
        """The newest record's position."""
        sql = "SELECT number, request FROM log ORDER BY number DESC LIMIT 1"
        row = await self._one(sql)
        return LogPosition(*row) if row else LOG_START

    async def append(self, record: LogRecord) -> bool:
        """Add the record; False when its number, or its request, is taken."""

        def append(connection: sqlite3.Connection) -> bool:
            sql = "INSERT INTO log VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
            if connection.execute(sql, rows.from_record(record)).rowcount == 0:
                return False
            sql = "INSERT OR IGNORE INTO log_keys (key, number) VALUES (?, ?)"
            connection.executemany(sql, ((key, record.number) for key in record.keys))
            return True

        return await self._write(append)

    async def records(self, first: int, limit: int) -> Sequence[LogRecord]:
        """Records with number >= first, ascending; the schema's own record 0 among them."""
        sql = "SELECT * FROM log WHERE number >= ? ORDER BY number LIMIT ?"
        return await self._all(rows.to_record, sql, first, limit)

    async def record_of(self, request: str) -> LogRecord | None:
        """The record that this request wrote."""
        found = await self._all(rows.to_record, "SELECT * FROM log WHERE request = ?", request)
        return found[0] if found else None

    async def last_naming(self, keys: Sequence[str]) -> LogRecord | None:
        """The newest record that has one of these keys; each is looked up by its index."""
        sql = "SELECT max(number) FROM log_keys WHERE key = ?"
        rows_found = [await self._one(sql, key) for key in keys]
        numbers = [row[0] for row in rows_found if row and row[0] is not None]
        return (await self.records(max(numbers), 1))[0] if numbers else None

    async def latest(self, project: str) -> LogRecord | None:
        """The project's newest record that carries a commit."""
        sql = "SELECT * FROM log WHERE project = ? AND revision <> '' ORDER BY number DESC LIMIT 1"
        found = await self._all(rows.to_record, sql, project)
        return found[0] if found else None

    async def is_answered(self, commit: str) -> bool | None:
        """Whether a record with this commit has its page CONFIRMED; None: there is no such."""
        row = await self._one(schema.ANSWERED, CONFIRMED, commit)
        return None if row is None or row[0] is None else bool(row[0])

    async def add_cleared(self, cleared: Cleared) -> bool:
        """Keep the page; False when that page of the record is there already."""
        sql = "INSERT INTO cleared VALUES (?,?,?,?) ON CONFLICT DO NOTHING"
        return await self._execute(sql, *rows.from_cleared(cleared)) == 1

    async def cleared(self, number: int) -> Sequence[Cleared]:
        """The record's pages, ascending."""
        sql = "SELECT number, page, removed, last FROM cleared WHERE number = ? ORDER BY page"
        return await self._all(rows.to_cleared, sql, number)

    async def uncleared(self, first: int, limit: int) -> Sequence[int]:
        """Numbers of records without a last page, ascending."""
        return await self._scan(_to_int, schema.UNCLEARED, first, limit)

    async def find(self, signature: str) -> Entry | None:
        """The live entry with the highest as_of, judged in one statement."""
        row = await self._one(schema.FIND, signature)
        with self._translated():
            return rows.to_entry(row) if row else None

    async def insert_entry(self, entry: Entry, ended: Claim | None = None) -> None:
        """Make the entry visible and end the claim; CatalogError when its blob's name is taken."""

        def insert(connection: sqlite3.Connection) -> None:
            marks = ",".join("?" * 15)
            sql = f"INSERT INTO entries ({schema.ENTRY}) VALUES ({marks})"  # noqa: S608 - a constant
            values = rows.from_entry(entry)
            connection.execute(sql, values)
            connection.execute(schema.ENTRY_KEYS, (values[0], values[2]))
            if ended is not None:
                connection.execute(schema.END_CLAIM, _end(ended, ended.outcome))

        await self._write(insert, vital=False)

    async def delete_entry(self, blob: str, at: float) -> None:
        """Bury the blob and forget the entry, in one step."""
        await self.delete_entries((blob,), at)

    async def delete_entries(self, blobs: Sequence[str], at: float) -> None:
        """Bury the blobs and forget the entries, in one step."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.executemany(schema.BURY, ((blob, at) for blob in blobs))
            sql = "DELETE FROM entries WHERE blob = ?"
            connection.executemany(sql, ((blob,) for blob in blobs))

        await self._write(delete)

    async def count_hits(self, keys: Sequence[str], below: int, most: int) -> Mapping[str, int]:
        """For each key, how many entries the record `below` hits by it."""

        def count(connection: sqlite3.Connection) -> Mapping[str, int]:
            counts = {}
            for key in keys:
                values = {"key": key, "below": below, "limit": most}
                counts[key] = int(connection.execute(schema.COUNT_HITS, values).fetchone()[0])
            return counts

        return await self._run_scan(count)

    async def hits(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries that the record `below` hits by one of the keys, each once."""
        return await self._by_keys(schema.HITS, keys, below, limit)

    async def stale(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries with one of the keys and an `as_of` below."""
        return await self._by_keys(schema.STALE, keys, below, limit)

    async def named(self, blobs: Sequence[str]) -> frozenset[str]:
        """Those of these blobs that an entry names."""
        sql = "SELECT blob FROM entries WHERE blob IN (SELECT value FROM json_each(?))"
        names = orjson.dumps(list(blobs)).decode()
        return frozenset(await self._all(lambda row: str(row[0]), sql, names))

    async def inert_entries(self, limit: int) -> Sequence[Entry]:
        """Entries that can never be served again."""
        return await self._scan(rows.to_entry, schema.INERT, limit)

    async def oldest_entries(self, limit: int) -> Sequence[Entry]:
        """Entries in the order in which they were last used, oldest first."""
        sql = f"SELECT {schema.ENTRY} FROM entries ORDER BY used LIMIT ?"  # noqa: S608 - a constant
        return await self._scan(rows.to_entry, sql, limit)

    async def entries_after(self, blob: str, limit: int) -> Sequence[Entry]:
        """Entries in the order of their blobs' names."""
        sql = f"SELECT {schema.ENTRY} FROM entries WHERE blob > ? ORDER BY blob LIMIT ?"  # noqa: S608 - a constant
        return await self._scan(rows.to_entry, sql, blob, limit)

    async def usage(self) -> Usage:
        """What entries, trash and claims take, summed anew."""
        sql = "SELECT count(*), coalesce(sum(length), 0) FROM "
        ((entries, kept),) = await self._scan(tuple, sql + "entries")
        ((buried, trash),) = await self._scan(tuple, sql + "trash")
        ((claims,),) = await self._scan(tuple, "SELECT count(*) FROM claims")
        ((length,),) = await self._scan(tuple, schema.FILE_LENGTH)
        return Usage(entries, kept, buried, trash, claims, length)

    async def touch_entries(self, uses: Mapping[str, int], used: float) -> None:
        """Add to the uses of these entries."""
        sql = "UPDATE entries SET used = max(used, ?), uses = uses + ? WHERE blob = ?"
        values = [(used, count, blob) for blob, count in uses.items()]
        touch = partial(_change, sql, values)
        await self._write(touch, vital=False)

    async def claims(self, signature: str) -> Sequence[Claim]:
        """All claims of the signature, the highest number first."""
        sql = f"SELECT {schema.CLAIM} FROM claims WHERE signature = ? ORDER BY number DESC"  # noqa: S608 - a constant
        return await self._all(rows.to_claim, sql, signature)

    async def all_claims(self, limit: int) -> Sequence[Claim]:
        """Claims, those made first before the others."""
        sql = f"SELECT {schema.CLAIM} FROM claims ORDER BY rowid LIMIT ?"  # noqa: S608 - a constant
        return await self._scan(rows.to_claim, sql, limit)

    async def insert_claim(self, claim: Claim) -> bool:
        """Take the number; False when it is taken."""
        sql = (
            f"INSERT INTO claims ({schema.CLAIM}) VALUES (?,?,?,?,?,?,?,?,?) "  # noqa: S608 - a constant
            "ON CONFLICT (signature, number) DO NOTHING"
        )
        insert = partial(_change, sql, [rows.from_claim(claim)])
        return await self._write(insert, vital=False) == 1

    async def insert_first_claim(self, claim: Claim) -> bool:
        """Take the number if there is no claim, no entry, and no record behind its as_of."""
        insert = partial(_change, schema.FIRST_CLAIM, [rows.from_claim(claim)])
        return await self._write(insert, vital=False) == 1

    async def beat(self, claim: Claim, beat: int) -> None:
        """Write the owner's sign of life."""
        sql = "UPDATE claims SET beat = ? WHERE signature = ? AND number = ? AND blob = ?"
        await self._execute(sql, beat, claim.signature, claim.number, claim.blob)

    async def end_claim(self, claim: Claim, outcome: str) -> None:
        """Write how the job ended."""
        await self._execute(schema.END_CLAIM, *_end(claim, outcome))

    async def delete_claims(self, claims: Sequence[Claim]) -> None:
        """Remove the rows that have signature, number and blob of one of these, in one step."""
        sql = "DELETE FROM claims WHERE signature = ? AND number = ? AND blob = ?"
        names = [(claim.signature, claim.number, claim.blob) for claim in claims]
        await self._write(lambda connection: connection.executemany(sql, names).rowcount)

    async def trash(self, before: float, limit: int) -> Sequence[Trash]:
        """Trash buried before that time, oldest first."""
        sql = "SELECT blob, at, length FROM trash WHERE at < ? ORDER BY at LIMIT ?"
        return await self._all(lambda row: Trash(*row), sql, before, limit)

    async def bury(self, blob: str, at: float) -> None:
        """Put a blob in the trash, or renew it there."""
        await self._execute(schema.BURY, blob, at)

    async def delete_trash(self, rows: Sequence[Trash]) -> None:
        """Remove each row if it is still the one that was read, in one step."""
        sql = "DELETE FROM trash WHERE blob = ? AND at = ?"
        names = [(row.blob, row.at) for row in rows]
        await self._write(lambda connection: connection.executemany(sql, names).rowcount)

    async def write_instance(self, instance: Instance) -> None:
        """Insert or overwrite the caller's own row; its lock is taken first, and kept."""
        with self._translated():
            hold = partial(self._incarnations.hold, instance.incarnation)
            await self._readers.run(hold, self._timeout)
        sql = "INSERT OR REPLACE INTO instances VALUES (?,?,?,?,?,?)"
        await self._execute(sql, *rows.from_instance(instance))

    async def instances(self) -> Sequence[Instance]:
        """All rows."""
        return await self._all(rows.to_instance, "SELECT * FROM instances")

    async def delete_instance(self, incarnation: str) -> None:
        """Remove a row and its lock file."""
        await self._execute("DELETE FROM instances WHERE incarnation = ?", incarnation)
        with self._translated():
            remove = partial(self._incarnations.remove, incarnation)
            await self._readers.run(remove, self._timeout)

    async def is_gone(self, incarnation: str) -> bool:
        """Whether no process holds the incarnation's lock: exact, as all are on one machine."""
        with self._translated():
            look = partial(self._incarnations.is_gone, incarnation)
            return await self._readers.run(look, self._timeout)

    async def check(self) -> str:
        """Write and read one row."""
        written = str(self._clock.wall())
        await self._execute("INSERT OR REPLACE INTO meta VALUES ('checked', ?)", written)
        row = await self._one("SELECT value FROM meta WHERE name = 'checked'")
        if row is None:
            raise CatalogError("The catalog does not keep what is written.")
        entries = await self._one("SELECT count(*) FROM entries")
        count = entries[0] if entries else 0
        return f"SQLite {sqlite3.sqlite_version} in {self._directory}: {count} entries"

    async def close(self) -> None:
        """End the threads, close the file, let go of the locks."""
        self._closed = True
        await self._writer.close()
        await self._readers.close(self._timeout)
        await self._scanner.close(self._timeout)
        self._incarnations.close()

    async def _one(self, sql: str, *values: object) -> rows.Row | None:
        found = await self._all(tuple, sql, *values)
        return found[0] if found else None

    async def _all(
        self, convert: Callable[[rows.Row], T], sql: str, *values: object
    ) -> Sequence[T]:
        read, until = _rows(convert, sql, values), self._clock.now() + self._timeout
        with self._translated():
            return await self._readers.run(
                lambda: self._connections.use(read, until), self._timeout
            )

    async def _by_keys(
        self, sql: str, keys: Sequence[str], below: int, limit: int
    ) -> Sequence[Entry]:
        def find(connection: sqlite3.Connection) -> Sequence[Entry]:
            found: dict[str, Entry] = {}
            for key in keys:
                if len(found) >= limit:
                    break
                values = {"key": key, "below": below, "limit": limit}
                entries = (rows.to_entry(row) for row in connection.execute(sql, values))
                found.update((entry.blob, entry) for entry in entries)
            return list(found.values())[:limit]

        return await self._run_scan(find)

    async def _run_scan(self, function: Callable[[sqlite3.Connection], T]) -> T:
        timeout = self._timeout * _SCAN
        until = self._clock.now() + timeout
        with self._translated():
            return await self._scanner.run(lambda: self._connections.use(function, until), timeout)

    async def _scan(
        self, convert: Callable[[rows.Row], T], sql: str, *values: object
    ) -> Sequence[T]:
        return await self._run_scan(_rows(convert, sql, values))

    async def _execute(self, sql: str, *values: object) -> int:
        return await self._write(lambda connection: connection.execute(sql, values).rowcount)

    async def _write(self, function: Callable[[sqlite3.Connection], T], *, vital: bool = True) -> T:
        """What is not vital fails when the disk is full, so that what is vital has the reserve."""

        def spare(connection: sqlite3.Connection) -> T:
            if not self._reserve.fill():
                raise CatalogError("The catalog's disk is full, but for a reserve.")
            return function(connection)

        with self._translated():
            if not vital:
                return await self._writer.write(spare)
            try:
                return await self._writer.write(function)
            except sqlite3.Error as error:
                # Not as a write, which may be called twice.
                if not faults.is_full(error) or not await self._give_up_reserve():
                    raise
            return await self._writer.write(function)

    async def _give_up_reserve(self) -> bool:
        return await self._readers.run(self._reserve.release, self._timeout)

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        if self._closed:
            raise CatalogError("The catalog is closed.")
        return faults.translated()


def _rows(
    convert: Callable[[rows.Row], T], sql: str, values: Sequence[object]
) -> Callable[[sqlite3.Connection], Sequence[T]]:
    return lambda connection: [convert(row) for row in connection.execute(sql, tuple(values))]


def _end(claim: Claim, outcome: str | None) -> tuple[object, ...]:
    return outcome, claim.signature, claim.number, claim.blob


def _change(sql: str, values: Sequence[Sequence[object]], connection: sqlite3.Connection) -> int:
    return connection.executemany(sql, values).rowcount


def _to_int(row: rows.Row) -> int:
    return int(row[0])
