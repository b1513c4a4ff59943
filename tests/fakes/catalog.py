"""A catalog in memory that can be told to fail and hang; several may share one set of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from imcaxy.errors import CatalogError, SettingsError
from imcaxy.grammar.variant import LOG_START, LogPosition
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
from tests.fakes.faults import Faults

_FIRST = LogRecord(LOG_START.number, LOG_START.request, (), (), "", "", 0.0)


@dataclass
class Rows:
    """What is kept; share it between FakeCatalogs to imitate several instances."""

    blobs_id: str | None = None
    log: dict[int, LogRecord] = field(default_factory=lambda: {0: _FIRST})
    cleared: dict[tuple[int, int], Cleared] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    claims: dict[tuple[str, int], Claim] = field(default_factory=dict)
    trash: dict[str, Trash] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # incarnations whose process has ended
    catalog_bytes: int = 0  # of the catalog's file
    one_step: bool = False  # whether a first claim can be judged and taken in one step

    def is_live(self, entry: Entry) -> bool:
        record = self.log.get(entry.as_of.number)
        if record is None or record.request != entry.as_of.request:
            return False
        later = (record for record in self.log.values() if record.number > entry.as_of.number)
        return not any(set(record.keys) & set(entry.keys) for record in later)

    def hits(self, key: str, below: int) -> list[Entry]:
        before = [record for record in self.log.values() if record.number < below]
        earlier = Rows(log={record.number: record for record in before})
        return [entry for entry in self.stale(key, below) if earlier.is_live(entry)]

    def stale(self, key: str, below: int) -> list[Entry]:
        every = self.entries.values()
        return [entry for entry in every if key in entry.keys and entry.as_of.number < below]

    def best(self, signature: str) -> Entry | None:
        live = (e for e in self.entries.values() if e.signature == signature and self.is_live(e))
        return max(live, key=lambda entry: (entry.as_of.number, entry.blob), default=None)


class FakeCatalog:
    """Catalog; `rows` is what it holds, `faults` its failures, by the operation's name."""

    def __init__(self, rows: Rows | None = None) -> None:
        self.rows = rows or Rows()
        self.faults = Faults(CatalogError("The catalog does not answer."))
        self.pace = Pace(poll=0.25, late=2.0, dead_are_known=True)
        self._closed = False

    async def start(self, blobs_id: str) -> None:
        await self._meet("start")
        if self.rows.blobs_id not in (None, blobs_id):
            raise SettingsError("The catalog was first used with another blob store.")
        self.rows.blobs_id = blobs_id

    async def join(self) -> None:
        await self._meet("join")
        if self.rows.blobs_id is None:
            raise CatalogError("No server has used this catalog yet.")

    async def head(self) -> LogPosition:
        await self._meet("head")
        record = self.rows.log[max(self.rows.log)]
        return LogPosition(record.number, record.request)

    async def append(self, record: LogRecord) -> bool:
        await self._meet("append")
        if any(other.request == record.request for other in self.rows.log.values()):
            return False
        return self.rows.log.setdefault(record.number, record) is record

    async def record_of(self, request: str) -> LogRecord | None:
        await self._meet("record_of")
        found = (record for record in self.rows.log.values() if record.request == request)
        return next(found, None)

    async def last_naming(self, keys: Sequence[str]) -> LogRecord | None:
        await self._meet("last_naming")
        found = (r for r in self.rows.log.values() if not set(keys).isdisjoint(r.keys))
        return max(found, key=lambda record: record.number, default=None)

    async def latest(self, project: str) -> LogRecord | None:
        await self._meet("latest")
        found = (r for r in self.rows.log.values() if r.project == project and r.commit)
        return max(found, key=lambda record: record.number, default=None)

    async def is_answered(self, commit: str) -> bool | None:
        await self._meet("is_answered")
        numbers = [r.number for r in self.rows.log.values() if commit and r.commit == commit]
        confirmed = ((number, CONFIRMED) in self.rows.cleared for number in numbers)
        return any(confirmed) if numbers else None

    async def add_cleared(self, cleared: Cleared) -> bool:
        await self._meet("add_cleared")
        return self.rows.cleared.setdefault((cleared.number, cleared.page), cleared) is cleared

    async def cleared(self, number: int) -> Sequence[Cleared]:
        await self._meet("cleared")
        found = (page for page in self.rows.cleared.values() if page.number == number)
        return sorted(found, key=lambda page: page.page)

    async def uncleared(self, first: int, limit: int) -> Sequence[int]:
        await self._meet("uncleared")
        done = {page.number for page in self.rows.cleared.values() if page.last}
        numbers = sorted(n for n in self.rows.log if n >= max(first, 1) and n not in done)
        return numbers[:limit]

    async def records(self, first: int, limit: int) -> Sequence[LogRecord]:
        await self._meet("records")
        numbers = sorted(number for number in self.rows.log if number >= first)
        return [self.rows.log[number] for number in numbers[:limit]]

    async def find(self, signature: str) -> Entry | None:
        await self._meet("find")
        return self.rows.best(signature)

    async def insert_entry(self, entry: Entry, ended: Claim | None = None) -> None:
        await self._meet("insert_entry")
        if entry.blob in self.rows.entries:
            raise CatalogError("A blob's name is used twice.", value=entry.blob)
        self.rows.entries[entry.blob] = entry
        if ended is not None and (held := self._held(ended)) is not None:
            held = replace(held, outcome=ended.outcome)
            self.rows.claims[ended.signature, ended.number] = held

    async def delete_entry(self, blob: str, at: float) -> None:
        await self._meet("delete_entry")
        self._bury(blob, at)
        self.rows.entries.pop(blob, None)

    async def delete_entries(self, blobs: Sequence[str], at: float) -> None:
        await self._meet("delete_entries")
        for blob in blobs:
            self._bury(blob, at)
            self.rows.entries.pop(blob, None)

    async def count_hits(self, keys: Sequence[str], below: int, most: int) -> Mapping[str, int]:
        await self._meet("count_hits")
        return {key: min(most, len(self.rows.hits(key, below))) for key in keys}

    async def hits(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        await self._meet("hits")
        found = {entry.blob: entry for key in keys for entry in self.rows.hits(key, below)}
        return list(found.values())[:limit]

    async def stale(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        await self._meet("stale")
        found = {entry.blob: entry for key in keys for entry in self.rows.stale(key, below)}
        return list(found.values())[:limit]

    async def named(self, blobs: Sequence[str]) -> frozenset[str]:
        await self._meet("named")
        return frozenset(blobs) & self.rows.entries.keys()

    async def inert_entries(self, limit: int) -> Sequence[Entry]:
        await self._meet("inert_entries")
        every = self.rows.entries.values()
        return [entry for entry in every if self.rows.best(entry.signature) != entry][:limit]

    async def oldest_entries(self, limit: int) -> Sequence[Entry]:
        await self._meet("oldest_entries")
        return sorted(self.rows.entries.values(), key=lambda entry: entry.used)[:limit]

    async def entries_after(self, blob: str, limit: int) -> Sequence[Entry]:
        await self._meet("entries_after")
        after = sorted(name for name in self.rows.entries if name > blob)
        return [self.rows.entries[name] for name in after[:limit]]

    async def usage(self) -> Usage:
        await self._meet("usage")
        kept = [entry.sum.length for entry in self.rows.entries.values()]
        buried = [row.length for row in self.rows.trash.values()]
        file = self.rows.catalog_bytes
        return Usage(len(kept), sum(kept), len(buried), sum(buried), catalog_bytes=file)

    async def touch_entries(self, uses: Mapping[str, int], used: float) -> None:
        await self._meet("touch_entries")
        for blob, count in uses.items():
            if (held := self.rows.entries.get(blob)) is not None:
                touched = replace(held, used=max(held.used, used), uses=held.uses + count)
                self.rows.entries[blob] = touched

    async def claims(self, signature: str) -> Sequence[Claim]:
        await self._meet("claims")
        found = [claim for claim in self.rows.claims.values() if claim.signature == signature]
        return sorted(found, key=lambda claim: -claim.number)

    async def all_claims(self, limit: int) -> Sequence[Claim]:
        await self._meet("all_claims")
        return list(self.rows.claims.values())[:limit]

    async def insert_claim(self, claim: Claim) -> bool:
        await self._meet("insert_claim")
        return self.rows.claims.setdefault((claim.signature, claim.number), claim) is claim

    async def insert_first_claim(self, claim: Claim) -> bool:
        await self._meet("insert_first_claim")
        signatures = {signature for signature, _ in self.rows.claims}
        signatures |= {entry.signature for entry in self.rows.entries.values()}
        ends_there = self.rows.log[max(self.rows.log)].request == claim.as_of.request
        if not self.rows.one_step or not ends_there or claim.signature in signatures:
            return False
        self.rows.claims[claim.signature, claim.number] = claim
        return True

    async def beat(self, claim: Claim, beat: int) -> None:
        await self._meet("beat")
        if (held := self._held(claim)) is not None:
            self.rows.claims[claim.signature, claim.number] = replace(held, beat=beat)

    async def end_claim(self, claim: Claim, outcome: str) -> None:
        await self._meet("end_claim")
        if (held := self._held(claim)) is not None:
            self.rows.claims[claim.signature, claim.number] = replace(held, outcome=outcome)

    async def delete_claims(self, claims: Sequence[Claim]) -> None:
        await self._meet("delete_claims")
        for claim in claims:
            if self._held(claim) is not None:
                del self.rows.claims[claim.signature, claim.number]

    async def trash(self, before: float, limit: int) -> Sequence[Trash]:
        await self._meet("trash")
        found = [row for row in self.rows.trash.values() if row.at < before]
        return sorted(found, key=lambda row: (row.at, row.blob))[:limit]

    async def bury(self, blob: str, at: float) -> None:
        await self._meet("bury")
        self._bury(blob, at)

    async def delete_trash(self, rows: Sequence[Trash]) -> None:
        await self._meet("delete_trash")
        for row in rows:
            if self.rows.trash.get(row.blob) == row:
                del self.rows.trash[row.blob]

    async def write_instance(self, instance: Instance) -> None:
        await self._meet("write_instance")
        self.rows.instances[instance.incarnation] = instance

    async def instances(self) -> Sequence[Instance]:
        await self._meet("instances")
        return list(self.rows.instances.values())

    async def delete_instance(self, incarnation: str) -> None:
        await self._meet("delete_instance")
        self.rows.instances.pop(incarnation, None)

    async def is_gone(self, incarnation: str) -> bool:
        await self._meet("is_gone")
        return incarnation in self.rows.gone

    async def check(self) -> str:
        await self._meet("check")
        return "memory: written and read"

    async def close(self) -> None:
        self._closed = True

    def _bury(self, blob: str, at: float) -> None:
        entry, row = self.rows.entries.get(blob), self.rows.trash.get(blob)
        length = max(entry.sum.length if entry else 0, row.length if row else 0)
        self.rows.trash[blob] = Trash(blob, at, length)

    def _held(self, claim: Claim) -> Claim | None:
        held = self.rows.claims.get((claim.signature, claim.number))
        return held if held is not None and held.blob == claim.blob else None

    async def _meet(self, operation: str) -> None:
        await self.faults.meet(operation)
        if self._closed:
            raise CatalogError("The catalog is closed.")
