"""The catalog's rows as MongoDB keeps them; a document that cannot be read raises ValueError."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog.base import Claim, Cleared, Entry, Instance, LogRecord, Seen, Trash

Document = dict[str, Any]
T = TypeVar("T")


def from_entry(entry: Entry) -> Document:
    """`as_of` is two fields because it is compared by its number and verified by its request."""
    return {
        "_id": entry.blob,
        "signature": entry.signature,
        "keys": list(entry.keys),
        "as_of": entry.as_of.number,
        "as_of_request": entry.as_of.request,
        "length": entry.sum.length,
        "digest": entry.sum.digest,
        "media_type": entry.head.media_type,
        "etag": entry.head.etag,
        "made_at": entry.head.made_at,
        "cost": entry.cost,
        "used": entry.used,
        "request": entry.request,
        "uses": entry.uses,
        "seen": [seen._asdict() for seen in entry.seen],  # FerretDB takes no list in a list
    }


def to_entry(document: Mapping[str, Any]) -> Entry:
    """What `from_entry` wrote."""
    it = document
    return Entry(
        blob=it["_id"],
        signature=it["signature"],
        keys=tuple(it["keys"]),
        as_of=LogPosition(it["as_of"], it["as_of_request"]),
        sum=BlobSum(it["length"], it["digest"]),
        head=Head(it["media_type"], it["length"], it["etag"], it["made_at"]),
        cost=it["cost"],
        used=it["used"],
        request=it["request"],
        uses=it["uses"],
        seen=tuple(Seen(**seen) for seen in it.get("seen", ())),
    )


def from_record(record: LogRecord) -> Document:
    """The number is the id, so one of those who want to be next wins."""
    return {
        "_id": record.number,
        "request": record.request,
        "keys": list(record.keys),
        "urls": list(record.urls),
        "project": record.project,
        "commit": record.commit,
        "at": record.at,
    }


def to_record(document: Mapping[str, Any]) -> LogRecord:
    """What `from_record` wrote."""
    it = document
    return LogRecord(
        number=it["_id"],
        request=it["request"],
        keys=tuple(it["keys"]),
        urls=tuple(it["urls"]),
        project=it["project"],
        commit=it["commit"],
        at=it["at"],
    )


def from_cleared(cleared: Cleared) -> Document:
    """Number and page are the id: a page is written once."""
    return {
        "_id": f"{cleared.number}:{cleared.page}",
        "number": cleared.number,
        "page": cleared.page,
        "removed": list(cleared.removed),
        "last": cleared.last,
    }


def to_cleared(document: Mapping[str, Any]) -> Cleared:
    """What `from_cleared` wrote."""
    it = document
    return Cleared(it["number"], it["page"], tuple(it["removed"]), it["last"])


def claim_id(claim: Claim) -> str:
    """Names this very claim: a later one of the same number has another blob."""
    return f"{claim.signature}:{claim.number}:{claim.blob}"


def from_claim(claim: Claim) -> Document:
    """A unique index over signature and number decides who wins; the id is for its owner."""
    return {
        "_id": claim_id(claim),
        "signature": claim.signature,
        "number": claim.number,
        "by": claim.by,
        "blob": claim.blob,
        "keys": list(claim.keys),
        "as_of": claim.as_of.number,
        "as_of_request": claim.as_of.request,
        "beat": claim.beat,
        "outcome": claim.outcome,
    }


def to_claim(document: Mapping[str, Any]) -> Claim:
    """What `from_claim` wrote."""
    it = document
    return Claim(
        signature=it["signature"],
        number=it["number"],
        by=it["by"],
        blob=it["blob"],
        keys=tuple(it["keys"]),
        as_of=LogPosition(it["as_of"], it["as_of_request"]),
        beat=it["beat"],
        outcome=it["outcome"],
    )


def from_trash(row: Trash) -> Document:
    """A burial is never changed: renewing it is one more document."""
    at = float(row.at)
    return {"_id": f"{row.blob}:{at!r}", "blob": row.blob, "at": at, "length": row.length}


def to_trash(document: Mapping[str, Any]) -> Trash:
    """What `from_trash` wrote."""
    return Trash(document["blob"], document["at"], document["length"])


def from_instance(instance: Instance, process: Mapping[str, Any] | None) -> Document:
    """`process` is where it runs, for others on the same machine."""
    return {
        "_id": instance.incarnation,
        "name": instance.name,
        "applied": instance.applied.number,
        "applied_request": instance.applied.request,
        "seen": instance.seen,
        "left": instance.left,
        "process": process,
    }


def to_instance(document: Mapping[str, Any]) -> Instance:
    """What `from_instance` wrote."""
    it = document
    applied = LogPosition(it["applied"], it["applied_request"])
    return Instance(it["_id"], it["name"], applied, it["seen"], it["left"])


def read_with(convert: Callable[[Mapping[str, Any]], T], document: Mapping[str, Any]) -> T:
    """The row; ValueError when the document is not one of ours."""
    try:
        return convert(document)
    except (KeyError, TypeError) as error:
        raise ValueError("a document without the fields it needs") from error
