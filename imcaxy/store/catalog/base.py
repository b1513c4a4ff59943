"""The port to the catalog, and its rows (design 6.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.blobs.base import BlobSum


class Seen(NamedTuple):
    """A source as it was when a picture was made from it, so that its origin can be asked again."""

    url: str
    etag: str  # as it was sent; empty when it was not
    modified: str  # Last-Modified, the same
    digest: str  # SHA-256 of its bytes, hex


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept variant."""

    blob: str  # the row's id and the blob's name, used once
    signature: str
    keys: tuple[str, ...]  # purge keys of every source that it was made from
    as_of: LogPosition
    sum: BlobSum
    head: Head  # head.length == sum.length
    cost: float  # seconds that making it took
    used: float  # seconds since 1970 UTC, when it was kept or last used; coarse
    seen: tuple[Seen, ...] = ()  # its sources, where they are to be asked for again
    request: str = ""  # the canonical image request as its route and query, for people
    uses: int = 0  # since it was kept; a hint for eviction, may lag or be lost


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One invalidation; immutable."""

    number: int
    request: str
    keys: tuple[str, ...]
    urls: tuple[str, ...]
    project: str
    commit: str
    at: float  # seconds since 1970 UTC


CONFIRMED = 0  # the page of `cleared` that says: every instance has applied the record


@dataclass(frozen=True, slots=True)
class Cleared:
    """One page of what a record's clearing removed, for ever; `last` says that all is done."""

    number: int  # of the record
    page: int  # from 1; CONFIRMED holds nothing
    removed: tuple[str, ...] = ()  # one text for each entry
    last: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The row that lets one instance run a job; its number never goes back."""

    signature: str
    number: int
    by: str  # incarnation of the owner
    blob: str  # name of the blob to be written: the record of possible garbage
    keys: tuple[str, ...]
    as_of: LogPosition
    beat: int = 0  # raised by the owner every second
    outcome: str | None = None  # None while running; JSON when ended


@dataclass(frozen=True, slots=True)
class Trash:
    """A blob that no entry names any more, waiting until nobody can be reading it."""

    blob: str
    at: float  # seconds since 1970 UTC, when it was buried or last renewed
    length: int = 0  # bytes of the blob; 0 when no entry told it


@dataclass(frozen=True, slots=True)
class Usage:
    """What the entries take, and the trash, which stays in the blob store until it is swept."""

    entries: int
    entry_bytes: int  # of blobs
    trash: int = 0
    trash_bytes: int = 0
    claims: int = 0  # where their rows lie on the same disk as the blobs
    catalog_bytes: int = field(default=0, compare=False)  # of its file, where that lies there too


@dataclass(frozen=True, slots=True)
class Instance:
    """One incarnation of a server process; written by its owner only."""

    incarnation: str
    name: str
    applied: LogPosition
    seen: float  # seconds since 1970 UTC
    left: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How news of the log travel with this engine (design 6.5, 6.14)."""

    poll: float  # seconds between two looks at the log
    late: float  # seconds after which an instance that has not looked must look before it answers
    dead_are_known: bool  # whether `is_gone` tells of every dead process at once


class Catalog(Protocol):
    """Rows that survive; every operation is an insert under a unique key, a delete, a read, or a
    write to a row that only its writer writes.

    Writes are durable when they return. A read after an acknowledged write sees it. Adapters
    translate their library's exceptions into CatalogError. Every operation has a deadline.
    """

    @property
    def pace(self) -> Pace:
        """How often the log is looked at."""
        ...

    async def start(self, blobs_id: str) -> None:
        """Open, creating the schema when it is not there.

        Raises SettingsError when the catalog was first used with another blob store.
        """
        ...

    async def join(self) -> None:
        """Open what a server has made, whatever its blob store, and make nothing.

        For who keeps no pictures. CatalogError when no server has used it yet.
        """
        ...

    async def head(self) -> LogPosition:
        """The newest record's position; LOG_START when nothing was ever invalidated."""
        ...

    async def append(self, record: LogRecord) -> bool:
        """Add the record; False when its number, or its request, is taken."""
        ...

    async def records(self, first: int, limit: int) -> Sequence[LogRecord]:
        """Records with number >= first, ascending."""
        ...

    async def record_of(self, request: str) -> LogRecord | None:
        """The record that this request wrote."""
        ...

    async def last_naming(self, keys: Sequence[str]) -> LogRecord | None:
        """The newest record that has one of these keys."""
        ...

    async def latest(self, project: str) -> LogRecord | None:
        """The project's newest record that carries a commit."""
        ...

    async def is_answered(self, commit: str) -> bool | None:
        """Whether a record with this commit has its page CONFIRMED; None: there is no such."""
        ...

    async def add_cleared(self, cleared: Cleared) -> bool:
        """Keep the page; False when that page of the record is there already."""
        ...

    async def cleared(self, number: int) -> Sequence[Cleared]:
        """The record's pages, ascending."""
        ...

    async def uncleared(self, first: int, limit: int) -> Sequence[int]:
        """Numbers >= first, ascending, of records without a last page; record 0 needs none."""
        ...

    async def find(self, signature: str) -> Entry | None:
        """The live entry with the highest as_of; None when there is none.

        Live: no log record with a number above the entry's as_of shares a purge key with it.
        """
        ...

    async def insert_entry(self, entry: Entry, ended: Claim | None = None) -> None:
        """Make the entry visible. Its blob must be safe already.

        `ended` is the claim of the job that made it, with the outcome that is to be written: in
        the same step, or then. The entry stands when only that fails.
        """
        ...

    async def delete_entry(self, blob: str, at: float) -> None:
        """Bury the blob in the trash with its length, then forget the entry.

        In this order, or in one step.
        """
        ...

    async def delete_entries(self, blobs: Sequence[str], at: float) -> None:
        """The same for some hundred entries; a failure may leave some of them deleted."""
        ...

    async def count_hits(self, keys: Sequence[str], below: int, most: int) -> Mapping[str, int]:
        """For each key, how many entries the record `below` hits by it; stops counting at `most`.

        Hit: has the key, an `as_of` below, and was live when that record was written.
        """
        ...

    async def hits(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries that the record `below` hits by one of the keys, each once."""
        ...

    async def stale(self, keys: Sequence[str], below: int, limit: int) -> Sequence[Entry]:
        """Entries with one of the keys and an `as_of` below, live or not."""
        ...

    async def named(self, blobs: Sequence[str]) -> frozenset[str]:
        """Those of these blobs, some hundred, that an entry names."""
        ...

    async def inert_entries(self, limit: int) -> Sequence[Entry]:
        """Entries that can never be served again: not live, or behind a better one."""
        ...

    async def oldest_entries(self, limit: int) -> Sequence[Entry]:
        """Entries in the order in which they were last used, oldest first."""
        ...

    async def entries_after(self, blob: str, limit: int) -> Sequence[Entry]:
        """Entries whose blobs' names come after this one, in the order of the names."""
        ...

    async def usage(self) -> Usage:
        """What entries and trash take."""
        ...

    async def touch_entries(self, uses: Mapping[str, int], used: float) -> None:
        """Add to the uses of these blobs' entries (a hint for eviction; may be lost)."""
        ...

    async def claims(self, signature: str) -> Sequence[Claim]:
        """All claims of the signature, the highest number first."""
        ...

    async def all_claims(self, limit: int) -> Sequence[Claim]:
        """Claims in any order, for the sweep."""
        ...

    async def insert_claim(self, claim: Claim) -> bool:
        """Take the number; False when it is taken."""
        ...

    async def insert_first_claim(self, claim: Claim) -> bool:
        """Take the number if nothing at all stands against it, judged and done in one step.

        Against it stand any claim and any entry of the signature, and a log that ends elsewhere
        than at the claim's as_of. False where that is so, and where the engine has no such step.
        """
        ...

    async def beat(self, claim: Claim, beat: int) -> None:
        """Write the owner's sign of life."""
        ...

    async def end_claim(self, claim: Claim, outcome: str) -> None:
        """Write how the job ended; the row stays for the sweep."""
        ...

    async def delete_claims(self, claims: Sequence[Claim]) -> None:
        """Remove the rows that have signature, number *and* blob of one of these, some hundred.

        A failure may leave some of them.
        """
        ...

    async def trash(self, before: float, limit: int) -> Sequence[Trash]:
        """Trash buried before that time."""
        ...

    async def bury(self, blob: str, at: float) -> None:
        """Put a blob in the trash, or renew it there; a length that is known stays known."""
        ...

    async def delete_trash(self, rows: Sequence[Trash]) -> None:
        """Remove each of some hundred rows if it is still the one that was read."""
        ...

    async def write_instance(self, instance: Instance) -> None:
        """Insert or overwrite the caller's own row."""
        ...

    async def instances(self) -> Sequence[Instance]:
        """All rows."""
        ...

    async def delete_instance(self, incarnation: str) -> None:
        """Remove a row."""
        ...

    async def is_gone(self, incarnation: str) -> bool:
        """True only when that process certainly no longer runs; False when it may."""
        ...

    async def check(self) -> str:
        """One line that says what was found, after a real write and read; CatalogError."""
        ...

    async def close(self) -> None:
        """Release what is open; later calls raise CatalogError."""
        ...
