"""Which entries are live: the log judges them at every read (design I3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from imcaxy.store.catalog.documents import Document
from imcaxy.store.catalog.mongo_client import Database
from imcaxy.store.catalog.mongo_schema import LOG

FIELDS = ("keys", "as_of", "as_of_request")  # of an entry, that it is judged by
_RECORDS = 50  # log records read at once; one has up to 5,000 keys, some hundred kilobytes


async def is_live(database: Database, entry: Mapping[str, Any]) -> bool:
    """Whether its position is one of this log, and no later record shares a key: one read."""
    number = entry["as_of"]
    later = {"_id": {"$gt": number}, "keys": {"$in": entry["keys"]}}
    found = await database.some(LOG, {"$or": [{"_id": number}, later]}, 2, fields=("request",))
    return [(row["_id"], row["request"]) for row in found] == [(number, entry["as_of_request"])]


async def live(
    database: Database, entries: Sequence[Document], below: int | None = None
) -> list[Document]:
    """Those of some hundred entries that are live, or were until the record `below` was written."""
    numbers = sorted({entry["as_of"] for entry in entries})
    known = await database.some(LOG, {"_id": {"$in": numbers}}, len(numbers), fields=("request",))
    requests = {row["_id"]: row["request"] for row in known}
    alive = [entry for entry in entries if requests.get(entry["as_of"]) == entry["as_of_request"]]
    after = min((entry["as_of"] for entry in alive), default=0)
    while alive:
        ids = {"$gt": after} if below is None else {"$gt": after, "$lt": below}
        keys = sorted({key for entry in alive for key in entry["keys"]})
        records = await database.some(
            LOG,
            {"_id": ids, "keys": {"$in": keys}},
            _RECORDS,
            sort=[("_id", 1)],
            fields=("keys",),
        )
        alive = [entry for entry in alive if not _hit(entry, records)]
        if len(records) < _RECORDS:
            break
        after = records[-1]["_id"]
    return alive


def _hit(entry: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> bool:
    keys = frozenset(entry["keys"])
    return any(
        record["_id"] > entry["as_of"] and not keys.isdisjoint(record["keys"]) for record in records
    )
