"""What a server keeps, and where: files of its own, or with STACK=ferretdb+minio real servers.

The suites are the same for both. With a stack, every server has a database and a bucket of its own
behind a relay that delays each piece, and PEERS more instances that share them: invalidations wait
for these, too. Whether parts that fail are survived is for test_fleet.py and the torture.
"""

import asyncio
import contextlib
import os
import random
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pymongo

from imcaxy.store.blobs.s3 import ID
from imcaxy.store.blobs.s3_client import Bucket, Endpoint
from imcaxy.store.sweep import SIGNATURE
from tests.between import Between
from tests.stores import s3_endpoint

STACK = os.environ.get("STACK", "")
PEERS = int(os.environ.get("PEERS") or 0)
DELAY = 0.003  # seconds at most, of each piece
WAIT = 4.0 if STACK else 0.0  # seconds more that a request may take with all these servers
# What a busy machine needs; no promise depends on them.
PATIENT = {"store_timeout": 20, "purge_timeout": 2}


class Shelf(Protocol):
    """What tests ask about kept pictures past the server."""

    tier: str  # as Cache-Status calls it
    settings: dict[str, object]

    def kept(self) -> int:
        """Entries that are committed."""
        ...

    def make_older(self, seconds: float) -> int:
        """Everything kept was made so much earlier; how many that is."""
        ...

    def owners(self) -> set[str]:
        """Incarnations that have a claim on a running job."""
        ...


class LocalShelf:
    """SQLite and files in the data directory."""

    tier = "disk"

    def __init__(self, data: Path) -> None:
        self.settings: dict[str, object] = {}
        self._catalog = data / "catalog.sqlite3"

    def kept(self) -> int:
        """Also while a server runs."""
        with self._open() as connection:
            return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])

    def make_older(self, seconds: float) -> int:
        """Only while none does."""
        with contextlib.closing(sqlite3.connect(self._catalog)) as connection, connection:
            sql = "UPDATE entries SET made_at = made_at - ?"
            return connection.execute(sql, (seconds,)).rowcount

    def owners(self) -> set[str]:
        """Also while a server runs."""
        sql = "SELECT by FROM claims WHERE outcome IS NULL AND signature != ?"
        with self._open() as connection:
            return {by for (by,) in connection.execute(sql, (SIGNATURE,))}

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = f"file:{self._catalog}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=10)) as connection:
            yield connection


class SharedShelf:
    """A database and a bucket that nobody else uses."""

    tier = "bucket"

    def __init__(self, catalog: str, bucket: str) -> None:
        from tests.e2e.fleet import host_of, settings_of  # noqa: PLC0415 - which needs this file

        named = settings_of(catalog, bucket)
        endpoint = replace(s3_endpoint(bucket), bucket=str(named["minio_bucket"]))
        with ThreadPoolExecutor(1) as pool:  # a loop may run here
            pool.submit(lambda: asyncio.run(named_bucket(endpoint))).result()
        self._uri = str(named["mongo_connection_string"])
        relays = _Relays.running(host_of(self._uri), str(named["minio_endpoint"]))
        self.settings = {
            **named,
            "mongo_connection_string": self._uri.replace(host_of(self._uri), relays.catalog),
            "minio_endpoint": relays.bucket,
        }

    def kept(self) -> int:
        """Past the relay."""
        with self._open() as database:
            return int(database["entries"].count_documents({}))

    def make_older(self, seconds: float) -> int:
        """One by one: not every engine adds."""
        with self._open() as database:
            entries = list(database["entries"].find({}, {"made_at": 1}))
            for entry in entries:
                older = {"$set": {"made_at": entry["made_at"] - seconds}}
                database["entries"].update_one({"_id": entry["_id"]}, older)
            return len(entries)

    def owners(self) -> set[str]:
        """The claims without an outcome."""
        with self._open() as database:
            claims = database["claims"].find({"signature": {"$ne": SIGNATURE}})
            return {claim["by"] for claim in claims if not claim.get("outcome")}

    def pids(self) -> dict[str, int]:
        """The process of each incarnation."""
        with self._open() as database:
            rows = database["instances"].find({})
            return {row["_id"]: row["process"]["pid"] for row in rows}

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(self._uri)
        with client:
            yield client.get_default_database()


async def named_bucket(endpoint: Endpoint) -> None:
    """Name the bucket: who comes first and does it waits for a whole `store_timeout`."""
    bucket = Bucket(endpoint, timeout=20)
    await bucket.read_small(ID, make_bucket=True)
    await bucket.put(ID, uuid.uuid4().hex.encode())
    await bucket.close()


class _Relays:
    """One relay to each part for all tests of this process, on a thread of their own."""

    def __init__(self, catalog: str, bucket: str) -> None:
        self.catalog = self.bucket = ""
        self._targets = (catalog, bucket)
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        assert self._ready.wait(10)

    @staticmethod
    @cache
    def running(catalog: str, bucket: str) -> "_Relays":
        """Those that run, or new ones."""
        return _Relays(catalog, bucket)

    async def _run(self) -> None:
        catalog, bucket = self._targets
        async with Between(catalog) as first, Between(bucket) as second:
            self.catalog, self.bucket = first.address, second.address
            self._ready.set()
            while True:
                for relay in (first, second):
                    relay.delay(random.random() * DELAY)
                await asyncio.sleep(0.1)


@cache
def shelf_of(data: Path) -> Shelf:
    """Where the server on this data directory keeps what it makes; the same at every start."""
    if not STACK:
        return LocalShelf(data)
    catalog, _, bucket = STACK.partition("+")
    return SharedShelf(catalog, bucket)
