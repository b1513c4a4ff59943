"""The catalog's collections in MongoDB (design 6.2), made and checked at every start."""

from imcaxy.errors import CatalogError, SettingsError
from imcaxy.grammar.variant import LOG_START
from imcaxy.store.catalog.base import LogRecord
from imcaxy.store.catalog.documents import Document, from_record
from imcaxy.store.catalog.mongo_client import Database

VERSION = 1

META, LOG, CLEARED, ENTRIES = "meta", "log", "cleared", "entries"
CLAIMS, TRASH, INSTANCES = "claims", "trash", "instances"

# Collection, name, fields, unique. No TTL index: nothing may vanish by a server's clock.
INDEXES = (
    (LOG, "log_request", (("request", 1),), True),
    (LOG, "log_keys", (("keys", 1), ("_id", 1)), False),
    (LOG, "log_project", (("project", 1), ("_id", -1)), False),
    (LOG, "log_commit", (("commit", 1), ("_id", -1)), False),
    (CLEARED, "cleared_number", (("number", 1), ("page", 1)), True),
    (ENTRIES, "entries_signature", (("signature", 1), ("as_of", -1)), False),
    (ENTRIES, "entries_keys", (("keys", 1), ("as_of", 1)), False),
    (ENTRIES, "entries_used", (("used", 1),), False),
    (ENTRIES, "entries_as_of", (("as_of", 1), ("_id", 1)), False),
    (CLAIMS, "claims_number", (("signature", 1), ("number", -1)), True),
    (TRASH, "trash_at", (("at", 1),), False),
    (TRASH, "trash_blob", (("blob", 1), ("at", 1)), False),
)
_FIRST = LogRecord(LOG_START.number, LOG_START.request, (), (), "", "", 0.0)
_MISMATCH = (
    "IMCAXY_MONGO_CONNECTION_STRING: the {place} was first used with another blob store. "
    "Instances on several machines that share a MongoDB must share a bucket too: give all of them "
    "the same IMCAXY_MINIO_ENDPOINT and IMCAXY_MINIO_BUCKET. If the bucket, or the one machine's "
    "IMCAXY_DATA_DIR, was replaced on purpose, name a new database: the old pictures are made anew"
)


async def make(database: Database, blobs_id: str) -> None:
    """Make what is not there, and verify what is.

    Raises SettingsError when the database belongs to another version or another blob store.
    """
    _refuse_other_version(database, await _once(database, {"_id": "schema", "value": VERSION}))
    await _make_indexes(database)
    await database.insert(LOG, from_record(_FIRST))
    found = await _once(database, {"_id": "blobs", "value": blobs_id})
    if found != blobs_id:
        raise SettingsError(
            _MISMATCH.format(place=database.place), value=blobs_id, accepted=str(found)
        )


async def verify(database: Database) -> None:
    """Make nothing; CatalogError when no server has used the database, else as `make`."""
    found = await database.one(META, {"_id": "schema"})
    if found is None:
        raise CatalogError(f"No server has used the {database.place} yet.", value=database.place)
    _refuse_other_version(database, found.get("value"))


def _refuse_other_version(database: Database, version: object) -> None:
    if version != VERSION:
        raise SettingsError(
            f"IMCAXY_MONGO_CONNECTION_STRING: the {database.place} has version {version}, needed "
            f"is {VERSION}: name another database, or start the version of Imcaxy that made it",
            value=str(version),
            accepted=str(VERSION),
        )


async def _once(database: Database, document: Document) -> object:
    """The value that whoever came first has written under this id."""
    if await database.insert(META, document):
        return document["value"]
    found = await database.one(META, {"_id": document["_id"]})
    return found.get("value") if found else None


async def _make_indexes(database: Database) -> None:
    """Each that lacks, and then see that none lacks: FerretDB closes on one made twice."""
    missing = await _missing(database)
    for collection, name, fields, unique in missing:
        await database.make_index(collection, name, fields, unique)
    if missing and (lacking := await _missing(database)):
        names = ", ".join(name for _, name, _, _ in lacking)
        raise CatalogError(f"MongoDB did not make these indexes: {names}.")


async def _missing(
    database: Database,
) -> list[tuple[str, str, tuple[tuple[str, int], ...], bool]]:
    there = {
        collection: await database.index_names(collection)
        for collection in {collection for collection, *_ in INDEXES}
    }
    return [index for index in INDEXES if index[1] not in there[index[0]]]
