"""The catalog's rows as SQLite keeps them; a row that cannot be read raises ValueError."""

import json
from collections.abc import Sequence
from typing import Any

from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog.base import Claim, Cleared, Entry, Instance, LogRecord, Seen

Row = tuple[Any, ...]


def to_text(items: Sequence[str]) -> str:
    """A list in one column."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> tuple[str, ...]:
    """The list that `to_text` wrote."""
    return tuple(json.loads(text))


def from_entry(entry: Entry) -> Row:
    """Columns in the order of schema.ENTRY."""
    return (
        entry.blob,
        entry.signature,
        to_text(entry.keys),
        entry.as_of.number,
        entry.as_of.request,
        entry.sum.length,
        entry.sum.digest,
        entry.head.media_type,
        entry.head.etag,
        entry.head.made_at,
        entry.cost,
        entry.used,
        entry.request,
        entry.uses,
        json.dumps(entry.seen) if entry.seen else "",
    )


def to_entry(row: Row) -> Entry:
    """From columns in the order of schema.ENTRY."""
    blob, signature, keys, number, log_request, length, digest, *rest = row
    media_type, etag, made, cost, used, request, uses, seen = rest
    return Entry(
        blob=blob,
        signature=signature,
        keys=from_text(keys),
        as_of=LogPosition(number, log_request),
        sum=BlobSum(length, digest),
        head=Head(media_type, length, etag, made),
        cost=cost,
        used=used,
        request=request,
        uses=uses,
        seen=tuple(Seen(*each) for each in json.loads(seen)) if seen else (),
    )


def from_record(record: LogRecord) -> Row:
    """Columns in the order of the table."""
    return (
        record.number,
        record.request,
        to_text(record.keys),
        to_text(record.urls),
        record.project,
        record.commit,
        record.at,
    )


def to_record(row: Row) -> LogRecord:
    """From columns in the order of the table."""
    number, request, keys, urls, project, commit, at = row
    return LogRecord(number, request, from_text(keys), from_text(urls), project, commit, at)


def from_cleared(cleared: Cleared) -> Row:
    """Columns in the order of the table."""
    return (cleared.number, cleared.page, to_text(cleared.removed), cleared.last)


def to_cleared(row: Row) -> Cleared:
    """From columns in the order of the table."""
    number, page, removed, last = row
    return Cleared(number, page, from_text(removed), bool(last))


def from_claim(claim: Claim) -> Row:
    """Columns in the order of schema.CLAIM."""
    return (
        claim.signature,
        claim.number,
        claim.by,
        claim.blob,
        to_text(claim.keys),
        claim.as_of.number,
        claim.as_of.request,
        claim.beat,
        claim.outcome,
    )


def to_claim(row: Row) -> Claim:
    """From columns in the order of schema.CLAIM."""
    signature, number, by, blob, keys, as_of, request, beat, outcome = row
    as_of = LogPosition(as_of, request)
    return Claim(signature, number, by, blob, from_text(keys), as_of, beat, outcome)


def from_instance(instance: Instance) -> Row:
    """Columns in the order of the table."""
    return (instance.incarnation, instance.name, *instance.applied, instance.seen, instance.left)


def to_instance(row: Row) -> Instance:
    """From columns in the order of the table."""
    incarnation, name, number, request, seen, left = row
    return Instance(incarnation, name, LogPosition(number, request), seen, bool(left))
