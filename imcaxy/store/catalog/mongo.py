"""The catalog in one MongoDB database, shared by any number of machines (design 6.14)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.store.catalog import documents, inert, liveness, mongo_schema
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
from imcaxy.store.catalog.documents import Document
from imcaxy.store.catalog.mongo_client import Database
from imcaxy.store.catalog.mongo_schema import (
    CLAIMS,
    CLEARED,
    ENTRIES,
    INSTANCES,
    LOG,
    META,
    TRASH,
)
from imcaxy.store.catalog.processes import has_ended, this_process

T = TypeVar("T")

_PACE = Pace(poll=0.25, late=2.0, dead_are_known=False)
_CANDIDATES = 8  # entries of one signature that are read at once; there is seldom a second
_ROWS = 10_000  # rows of a kind of which there are few: pages of one record, claims of a signature
_PROCESSES = 1_000  # incarnations whose row is remembered
_FRESH = 0.5  # seconds that it is


class _Known(NamedTuple):
    """What an instance's row said."""

    read: float  # Clock.now()
    left: bool
    process: dict[str, Any]


class MongoCatalog:
    """The catalog as the collections of one database.

    Every operation ends within `timeout` seconds per command (reads of the sweep and the purge
    within ten times that per page), with CatalogError when it has not succeeded. The driver
    connects again by itself. Of the dead it knows only those that said they left, and those of
    this machine.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._inert = inert.Walk(database)
        self._known: dict[str, _Known] = {}

    @property
    def pace(self) -> Pace:
        """Seldom, as each look is a request; nothing tells of the dead of other machines."""
        return _PACE

    async def start(self, blobs_id: str) -> None:
        """Connect, and make collections and indexes that are not there.

        Raises SettingsError when the connection string or the database cannot be used.
        """
        await self._database.connect()
        await mongo_schema.make(self._database, blobs_id)

    async def join(self) -> None:
        """Connect; CatalogError when no server has used the database."""
        await self._database.connect()
        await mongo_schema.verify(self._database)

    async def head(self) -> LogPosition:
        """The newest record's position."""
        found = await self._database.some(LOG, {}, 1, sort=[("_id", -1)], fields=("request",))
        return LogPosition(found[0]["_id"], found[0]["request"]) if found else LOG_START

    async def append(self, record: LogRecord) -> bool:
        """Add the record; False when its number, or its request, is taken."""
        return await self._database.insert(LOG, documents.from_record(record))

    async def records(self, first: int, limit: int) -> Sequence[LogRecord]:
        """Records with number >= first, ascending; the schema's own record 0 among them."""
        chosen = {"_id": {"$gte": first}}
        found = await self._database.some(LOG, chosen, limit, sort=[("_id", 1)])
        return _rows(documents.to_record, found)

    async def record_of(self, request: str) -> LogRecord | None:
        """The record that this request wrote."""
        found = await self._database.one(LOG, {"request": request})
        return _rows(documents.to_record, [found])[0] if found else None

    async def last_naming(self, keys: Sequence[str]) -> LogRecord | None:
        """The newest record that has one of these keys."""
        chosen = {"keys": {"$in": list(keys)}}
        found = await self._database.some(LOG, chosen, 1, sort=[("_id", -1)])
        return _rows(documents.to_record, found)[0] if found else None

    async def latest(self, project: str) -> LogRecord | None:
        """The project's newest record that carries a commit."""
        chosen = {"project": project, "commit": {"$gt": ""}}
        found = await self._database.some(LOG, chosen, 1, sort=[("_id", -1)])
        return _rows(documents.to_record, found)[0] if found else None

    async def is_answered(self, commit: str) -> bool | None:
        """Whether a record with this commit has its page CONFIRMED; None: there is no such."""
        if not commit:
            return None
        chosen = {"commit": commit}
        found = await self._database.some(LOG, chosen, _ROWS, sort=[("_id", -1)], fields=("_id",))
        if not found:
            return None
        numbers = {"$in": [row["_id"] for row in found]}
        confirmed = {"number": numbers, "page": CONFIRMED}
        return bool(await self._database.some(CLEARED, confirmed, 1, fields=("number",)))

    async def add_cleared(self, cleared: Cleared) -> bool:
        """Keep the page; False when that page of the record is there already."""
        return await self._database.insert(CLEARED, documents.from_cleared(cleared))

    async def cleared(self, number: int) -> Sequence[Cleared]:
        """The record's pages, ascending."""
        found = await self._database.some(CLEARED, {"number": number}, _ROWS, sort=[("page", 1)])
        return _rows(documents.to_cleared, found)

    async def uncleared(self, first: int, limit: int) -> Sequence[int]:
        """Numbers of records without a last page, ascending."""
        numbers: list[int] = []
        chosen = {"_id": {"$gte": max(first, 1)}}
        pages = self._database.pages(LOG, chosen, sort=[("_id", 1)], fields=("_id",))
        async for page in pages:
            ids = [row["_id"] for row in page]
            done = await self._database.some(
                CLEARED, {"number": {"$in": ids}, "last": True}, len(ids), fields=("number",)
            )
            finished = {row["number"] for row in done}
            numbers += [number for number in ids if number not in finished]
            if len(numbers) >= limit:
                break
        return numbers[:limit]

    async def find(self, signature: str) -> Entry | None:
        """The live entry with the highest as_of; each candidate is judged by one read of the log.

        The entry is read before the log: a record that comes in between counts.
        """
        chosen: dict[str, Any] = {"signature": signature}
        while True:
            found = await self._database.some(
                ENTRIES, chosen, _CANDIDATES, sort=[("as_of", -1), ("_id", -1)]
            )
            for entry in found:
                if await liveness.is_live(self._database, entry):
                    return _rows(documents.to_entry, [entry])[0]
            if len(found) < _CANDIDATES:
                return None
            last = found[-1]
            chosen = {
                "signature": signature,
                "$or": [
                    {"as_of": {"$lt": last["as_of"]}},
                    {"as_of": last["as_of"], "_id": {"$lt": last["_id"]}},
                ],
            }

    async def insert_entry(self, entry: Entry, ended: Claim | None = None) -> None:
        """Make the entry visible, then end the claim; CatalogError when the blob has an entry."""
        if not await self._database.insert(ENTRIES, documents.from_entry(entry)):
            raise CatalogError("A blob's name is used twice.", value=entry.blob)
        if ended is not None:
            with contextlib.suppress(CatalogError):  # others find the entry, or out by the lease
                await self.end_claim(ended, ended.outcome or "")

    async def delete_entry(self, blob: str, at: float) -> None:
        """Bury the blob, then forget the entry."""
        found = await self._database.some(ENTRIES, {"_id": blob}, 1, fields=("length",))
        await self._bury(blob, at, found[0]["length"] if found else 0)
        await self._database.delete(ENTRIES, {"_id": blob})

    async def delete_entries(self, blobs: Sequence[str], at: float) -> None:
        """The same for each."""
        for blob in blobs:
            await self.delete_entry(blob, at)

    async def count_hits(self, keys: Sequence[str], below: int, most: int) -> Mapping[str, int]:
        """For each key, how many entries the record `below` hits by it."""
        counts = {}
        for key in keys:
            counts[key] = 0
            async for page in self._hit(key, below, liveness.FIELDS):
                counts[key] = min(most, counts[key] + len(page))
                if counts[key] == most:
                    break
        return counts

    async def hits(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries that the record `below` hits by one of the keys, each once."""
        found: list[Document] = []
        async for page in self._hit({"$in": list(keys)}, below, ()):
            found += page
            if len(found) >= limit:
                break
        return _rows(documents.to_entry, found[:limit])

    async def stale(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries with one of the keys and an `as_of` below."""
        chosen = {"keys": {"$in": list(keys)}, "as_of": {"$lt": below}}
        return _rows(documents.to_entry, await self._database.some(ENTRIES, chosen, limit))

    async def named(self, blobs: Sequence[str]) -> frozenset[str]:
        """Those of these blobs that an entry names."""
        chosen = {"_id": {"$in": list(blobs)}}
        found = await self._database.some(ENTRIES, chosen, len(blobs), fields=("_id",))
        return frozenset(entry["_id"] for entry in found)

    async def inert_entries(self, limit: int) -> Sequence[Entry]:
        """Entries that can never be served again, of the next part of all entries."""
        return _rows(documents.to_entry, await self._inert.next(limit))

    async def oldest_entries(self, limit: int) -> Sequence[Entry]:
        """Entries in the order in which they were last used, oldest first."""
        found = await self._database.some(ENTRIES, {}, limit, sort=[("used", 1)])
        return _rows(documents.to_entry, found)

    async def entries_after(self, blob: str, limit: int) -> Sequence[Entry]:
        """Entries whose blobs' names come after this one, in the order of the names."""
        chosen = {"_id": {"$gt": blob}}
        found = await self._database.some(ENTRIES, chosen, limit, sort=[("_id", 1)])
        return _rows(documents.to_entry, found)

    async def usage(self) -> Usage:
        """What entries and trash take; a blob that was buried twice for a moment counts twice."""
        return Usage(
            entries=await self._database.total(ENTRIES, 1),
            entry_bytes=await self._database.total(ENTRIES, "$length"),
            trash=await self._database.total(TRASH, 1),
            trash_bytes=await self._database.total(TRASH, "$length"),
        )

    async def touch_entries(self, uses: Mapping[str, int], used: float) -> None:
        """Add to the uses: read, then written, as no engine's counter is trusted.

        Of two who add at the same time one is lost: it is a hint.
        """
        if not uses:
            return
        chosen = {"_id": {"$in": list(uses)}}
        fields = ("uses", "used")
        changes = {
            row["_id"]: {
                "uses": row["uses"] + uses[row["_id"]],
                "used": max(used, row["used"]),
            }
            for row in await self._database.some(ENTRIES, chosen, len(uses), fields=fields)
        }
        await self._database.set_fields(ENTRIES, changes)

    async def claims(self, signature: str) -> Sequence[Claim]:
        """All claims of the signature, the highest number first."""
        chosen = {"signature": signature}
        found = await self._database.some(CLAIMS, chosen, _ROWS, sort=[("number", -1)])
        return _rows(documents.to_claim, found)

    async def all_claims(self, limit: int) -> Sequence[Claim]:
        """Claims in any order."""
        return _rows(documents.to_claim, await self._database.some(CLAIMS, {}, limit))

    async def insert_claim(self, claim: Claim) -> bool:
        """Take the number; False when it is taken."""
        return await self._database.insert(CLAIMS, documents.from_claim(claim))

    async def insert_first_claim(self, _claim: Claim) -> bool:
        """False: there is no step that looks at the claims, the entries and the log together."""
        return False

    async def beat(self, claim: Claim, beat: int) -> None:
        """Write the owner's sign of life."""
        await self._database.set_fields(CLAIMS, {documents.claim_id(claim): {"beat": beat}})

    async def end_claim(self, claim: Claim, outcome: str) -> None:
        """Write how the job ended."""
        await self._database.set_fields(CLAIMS, {documents.claim_id(claim): {"outcome": outcome}})

    async def delete_claims(self, claims: Sequence[Claim]) -> None:
        """Remove the rows that have signature, number and blob of one of these."""
        names = [documents.claim_id(claim) for claim in claims]
        await self._database.delete(CLAIMS, {"_id": {"$in": names}})

    async def trash(self, before: float, limit: int) -> Sequence[Trash]:
        """Trash buried before that time, oldest first, unless it was buried again since."""
        found = await self._database.some(TRASH, {"at": {"$lt": before}}, limit, sort=[("at", 1)])
        latest = {row["blob"]: row for row in found}
        again = {"blob": {"$in": list(latest)}, "at": {"$gte": before}}
        for row in await self._database.some(TRASH, again, _ROWS, fields=("blob",)):
            latest.pop(row["blob"], None)
        return _rows(documents.to_trash, list(latest.values()))

    async def bury(self, blob: str, at: float) -> None:
        """Put a blob in the trash, or renew it there."""
        await self._bury(blob, at, 0)

    async def delete_trash(self, rows: Sequence[Trash]) -> None:
        """Remove the rows, which nobody changes; renewed, one is another."""
        chosen = [{"blob": row.blob, "at": {"$lte": row.at}} for row in rows]
        await asyncio.gather(*(self._database.delete(TRASH, each) for each in chosen))

    async def write_instance(self, instance: Instance) -> None:
        """Insert or overwrite the caller's own row."""
        process = this_process()
        kept = None if process is None else process.to_document()
        await self._database.overwrite(INSTANCES, documents.from_instance(instance, kept))

    async def instances(self) -> Sequence[Instance]:
        """All rows."""
        return _rows(documents.to_instance, await self._database.some(INSTANCES, {}, _ROWS))

    async def delete_instance(self, incarnation: str) -> None:
        """Remove a row."""
        await self._database.delete(INSTANCES, {"_id": incarnation})
        self._known.pop(incarnation, None)

    async def is_gone(self, incarnation: str) -> bool:
        """Whether it said that it left, or ran on this machine and does no more.

        Its row is read twice a second at most: who waits for another's claim asks often.
        """
        now = self._clock.now()
        known = self._known.get(incarnation)
        if known is None or now - known.read >= _FRESH:
            row = await self._database.one(INSTANCES, {"_id": incarnation}) or {}
            known = _Known(now, bool(row.get("left")), row.get("process") or {})
            if len(self._known) >= _PROCESSES:
                self._known.clear()
            self._known[incarnation] = known
        return known.left or has_ended(known.process)

    async def check(self) -> str:
        """Write, read and delete one document; also before `start`."""
        if not self._database.connected:
            await self._database.connect()
        begun = self._clock.now()
        row = {"_id": f"check:{uuid4().hex}", "value": self._clock.wall()}
        await self._database.insert(META, row)
        try:
            if await self._database.one(META, {"_id": row["_id"]}) != row:
                raise CatalogError("The catalog does not keep what is written.")
        finally:
            await self._database.delete(META, {"_id": row["_id"]})
        took = (self._clock.now() - begun) * 1000
        version, count = await self._database.version(), await self._database.count(ENTRIES)
        return (
            f"{version}, {self._database.place}: {count} entries; "
            f"written, read and deleted in {took:.0f} ms"
        )

    async def close(self) -> None:
        """End the connections."""
        await self._database.close()

    async def _bury(self, blob: str, at: float, length: int) -> None:
        """The new row first, then the older ones go: whoever looks in between finds the new one."""
        known = await self._database.some(TRASH, {"blob": blob}, 1, sort=[("length", -1)])
        length = max(length, *(row["length"] for row in known), 0)
        await self._database.insert(TRASH, documents.from_trash(Trash(blob, at, length)))
        if known:
            await self._database.delete(TRASH, {"blob": blob, "at": {"$lt": at}})

    async def _hit(
        self, key: object, below: int, fields: Sequence[str]
    ) -> AsyncIterator[list[Document]]:
        """Pages of entries with the key that were live until the record `below` was written."""
        chosen = {"keys": key, "as_of": {"$lt": below}}
        async for page in self._database.pages(ENTRIES, chosen, fields=fields):
            yield await liveness.live(self._database, page, below)


def _rows(convert: Callable[[Mapping[str, Any]], T], found: Sequence[Document]) -> list[T]:
    try:
        return [documents.read_with(convert, document) for document in found]
    except ValueError as error:
        raise CatalogError("The catalog holds something that no Imcaxy wrote.") from error
