"""One database, as motor gives it: deadlines on every call, CatalogError instead of its errors.

The only file that knows motor (docs/decisions/motor.md). What it can write is all that the catalog
may write (design 6.2): insert under a unique key, delete, and fields or the whole of documents that
are named by their id. No counter, no update under a condition, no transaction.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pymongo
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import UpdateOne
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from imcaxy.errors import CatalogError, SettingsError
from imcaxy.store.catalog.documents import Document

DATABASE = "imcaxy"  # unless the connection string names another
_SCAN = 10  # times the timeout: the sweep's reads look at much and nobody waits for them
_MARGIN = 0.25  # seconds after the driver's own deadline at which its thread is waited for no more
_PAGE = 500  # documents that are asked for at once
_LATE = "MongoDB did not answer in time."
_SENTENCES = {
    13: "MongoDB forbids it: the user needs the role readWrite on the database.",
    18: "MongoDB does not accept the user or the password of the connection string.",
    8000: "MongoDB does not accept the user or the password of the connection string.",
}


class Database:
    """Collections of documents. Raises CatalogError, within `timeout` seconds per call.

    On a replica set what is written is safe on a majority, journalled, and what is read is from the
    primary and safe on a majority. Elsewhere the engine's defaults hold, and every write is
    acknowledged whatever the connection string says.
    """

    def __init__(self, uri: str, timeout: float, listeners: Sequence[CommandListener] = ()) -> None:
        self._uri = uri
        self._timeout = timeout
        self._listeners = listeners
        self._client: AsyncIOMotorClient[Document] | None = None
        self._database: AsyncIOMotorDatabase[Document] | None = None
        self.replicated = False
        self._tells_deadline = True
        self._closed = False

    async def connect(self) -> None:
        """Reach the server and learn what it is.

        Raises SettingsError when the connection string cannot be used.
        """
        if self._closed:
            raise CatalogError("The catalog is closed.")
        if self._client is None:
            self._client = await self._open()
        default = self._client.get_default_database(DATABASE)
        async with self._calling():
            hello = await self._client.admin.command("hello")
            built = await self._client.admin.command("buildInfo")
        # FerretDB 1 breaks off a read at the deadline that it was told, and may then leave one of
        # its own connections in the past, for whoever reads next.
        self._tells_deadline = not _ferretdb(built)
        self.replicated = bool(hello.get("setName")) or hello.get("msg") == "isdbgrid"
        if self.replicated:
            self._database = default.with_options(
                write_concern=WriteConcern("majority", j=True),
                read_concern=ReadConcern("majority"),
                read_preference=pymongo.ReadPreference.PRIMARY,
            )
        else:
            self._database = default.with_options(
                write_concern=WriteConcern(1), read_preference=pymongo.ReadPreference.PRIMARY
            )

    @property
    def connected(self) -> bool:
        """Whether `connect` has succeeded."""
        return self._database is not None and not self._closed

    async def insert(self, collection: str, document: Document) -> bool:
        """Add the document; False when its id, or something else that is unique, is taken."""
        async with self._calling():
            try:
                await self._of(collection).insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    async def overwrite(self, collection: str, document: Document) -> None:
        """Put the document in the place of the one with its id, or add it."""
        async with self._calling():
            await self._of(collection).replace_one({"_id": document["_id"]}, document, upsert=True)

    async def set_fields(self, collection: str, changes: Mapping[str, Document]) -> None:
        """Write these fields of the documents with these ids; nothing where there is none."""
        updates = [UpdateOne({"_id": id_}, {"$set": fields}) for id_, fields in changes.items()]
        if not updates:
            return
        async with self._calling():
            await self._of(collection).bulk_write(updates, ordered=False)

    async def delete(self, collection: str, chosen: Mapping[str, Any]) -> None:
        """Remove the documents that match; they are never changed, so none can cease to match."""
        async with self._calling():
            await self._of(collection).delete_many(chosen)

    async def one(self, collection: str, chosen: Mapping[str, Any]) -> Document | None:
        """A document that matches."""
        found = await self.some(collection, chosen, 1)
        return found[0] if found else None

    async def some(
        self,
        collection: str,
        chosen: Mapping[str, Any],
        limit: int,
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> list[Document]:
        """Up to `limit` documents that match; only some `fields` of them, or all."""
        async with self._calling():
            cursor = self._of(collection).find(chosen, _projection(fields), limit=limit)
            if sort:
                cursor = cursor.sort(list(sort))
            return await cursor.to_list(limit)

    async def pages(
        self,
        collection: str,
        chosen: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> AsyncIterator[list[Document]]:
        """All documents that match, some hundred at a time; each page within ten timeouts."""
        cursor = self._of(collection).find(chosen, _projection(fields), batch_size=_PAGE)
        if sort:
            cursor = cursor.sort(list(sort))
        try:
            while True:
                async with self._calling(_SCAN):
                    page = await cursor.to_list(_PAGE)
                if page:
                    yield page
                if len(page) < _PAGE:
                    return
        finally:
            with contextlib.suppress(CatalogError):
                async with self._calling():
                    await cursor.close()

    async def total(self, collection: str, what: str | int) -> int:
        """The sum of a `$field`, or of a number, over all documents."""
        # One accumulator only: FerretDB gives 0 for a second one.
        steps = [{"$group": {"_id": None, "total": {"$sum": what}}}]
        async with self._calling(_SCAN):
            found = await self._of(collection).aggregate(steps).to_list(1)
        return int(found[0]["total"]) if found else 0

    async def count(self, collection: str) -> int:
        """About how many documents there are."""
        async with self._calling():
            return await self._of(collection).estimated_document_count()

    async def index_names(self, collection: str) -> set[str]:
        """The names of the indexes that are there."""
        async with self._calling(_SCAN):
            return set(await self._of(collection).index_information())

    async def make_index(
        self, collection: str, name: str, keys: Sequence[tuple[str, int]], unique: bool
    ) -> None:
        """Make the index; one that another has just made is no error."""
        async with self._calling(_SCAN):
            await self._of(collection).create_index(list(keys), name=name, unique=unique)

    async def version(self) -> str:
        """What the server calls itself."""
        async with self._calling():
            built = await self._connected().command("buildInfo")
        other = _ferretdb(built)
        name = f"FerretDB {other}" if other else f"MongoDB {built.get('version', 'unknown')}"
        return f"{name}, {'replica set' if self.replicated else 'standalone'}"

    @property
    def place(self) -> str:
        """Where the database is, without user and password."""
        name = self._database.name if self._database is not None else DATABASE
        return f"database {name} at {_hosts(self._uri)}"

    async def close(self) -> None:
        """End the connections; later calls raise CatalogError."""
        self._closed = True
        if self._client is None:
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                # On a thread: the driver says goodbye to the server and waits for the answer.
                await loop.run_in_executor(None, self._client.close)

    async def _open(self) -> "AsyncIOMotorClient[Document]":
        loop = asyncio.get_running_loop()
        milliseconds = int(self._timeout * 1000)
        make: Callable[[], AsyncIOMotorClient[Document]] = partial(
            AsyncIOMotorClient,
            self._uri,
            io_loop=loop,
            appname="imcaxy",
            event_listeners=list(self._listeners),
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            # Where the driver has no deadline for the whole call.
            waitQueueTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds * _SCAN,
            tz_aware=False,
        )
        try:
            # On a thread: a `mongodb+srv` address is looked up here.
            return await loop.run_in_executor(None, make)
        except (ConfigurationError, ValueError, TypeError) as error:
            raise SettingsError(
                "IMCAXY_MONGO_CONNECTION_STRING: MongoDB's driver cannot use it: "
                f"{_without_secrets(str(error), self._uri)}"
            ) from error
        except PyMongoError as error:
            raise CatalogError(f"MongoDB at {_hosts(self._uri)} is not found.") from error

    def _connected(self) -> "AsyncIOMotorDatabase[Document]":
        if self._closed or self._database is None:
            raise CatalogError("The catalog is closed.")
        return self._database

    def _of(self, collection: str) -> "AsyncIOMotorCollection[Document]":
        return self._connected()[collection]

    def _away(self) -> str:
        return (
            f"MongoDB at {_hosts(self._uri)} is not reached: does it run, and is "
            "IMCAXY_MONGO_CONNECTION_STRING right?"
        )

    @contextlib.asynccontextmanager
    async def _calling(self, times: float = 1) -> AsyncIterator[None]:
        """Around one call: its deadline, and CatalogError for all that the driver raises."""
        timeout = self._timeout * times
        try:
            # The driver's deadline ends its thread's work, the loop's the wait for that.
            async with asyncio.timeout(timeout + _MARGIN):
                with pymongo.timeout(timeout if self._tells_deadline else None):
                    yield
        except CatalogError:
            raise
        except (TimeoutError, NetworkTimeout, ExecutionTimeout, WaitQueueTimeoutError) as error:
            # What the driver knows by now says more than which deadline was the first to pass.
            known = self._client is not None and self._client.nodes
            raise CatalogError(_LATE if known else self._away()) from error
        except NotPrimaryError as error:
            raise CatalogError("MongoDB has no primary at the moment.") from error
        except AutoReconnect as error:
            raise CatalogError(self._away()) from error
        except OperationFailure as error:
            told = f"MongoDB refused the command (code {error.code})."
            raise CatalogError(_SENTENCES.get(error.code or 0, told)) from error
        except (PyMongoError, BSONError, OSError, ValueError) as error:
            raise CatalogError("MongoDB failed.") from error


def _ferretdb(built: Mapping[str, Any]) -> str:
    """The version of FerretDB, by what `buildInfo` answered; "" when it is something else."""
    return str(built.get("ferretdb", {}).get("version") or built.get("ferretdbVersion") or "")


def _projection(fields: Sequence[str]) -> dict[str, int] | None:
    return dict.fromkeys(fields, 1) if fields else None


def _hosts(uri: str) -> str:
    """The hosts of a connection string, without user, password, database and options."""
    rest = uri.partition("://")[2].partition("?")[0].rpartition("@")[2]
    return rest.partition("/")[0]


def _without_secrets(text: str, uri: str) -> str:
    user = uri.partition("://")[2].rpartition("@")[0]
    parts = [user, *user.partition(":")[::2], uri]
    for part in sorted(filter(None, parts), key=len, reverse=True):
        text = text.replace(part, "***")
    return text
