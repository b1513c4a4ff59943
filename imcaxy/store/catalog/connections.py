"""Connections to one SQLite file, each used by the thread that opened it."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError, SettingsError
from imcaxy.store.catalog.schema import APPLICATION, MIGRATIONS, TABLES, VERSION

T = TypeVar("T")

_STEPS = 20_000  # virtual machine instructions between two looks at the deadline; about 1 ms
_LOG_BYTES = 64 * 1024 * 1024  # the write-ahead log is cut back to this after a checkpoint
_RETRY = 0.02  # seconds; SQLite does not wait by itself for the switch to WAL


class _Held(threading.local):
    connection: sqlite3.Connection | None = None
    file: tuple[int, int] = (0, 0)  # device and inode
    until: float = 0.0  # Clock.now() at which the running statement is interrupted


class Connections:
    """One connection per thread, opened when it is first needed and again after a fault.

    A statement that runs past its deadline is interrupted on its own thread; one that waits for
    another process's lock ends after `timeout` seconds. Raises sqlite3.Error, OSError, and
    CatalogError when the file was replaced by another catalog.
    """

    def __init__(self, path: Path, clock: Clock, timeout: float) -> None:
        self._path = path
        self._clock = clock
        self._timeout = timeout
        self._blobs_id = ""
        self._held = _Held()

    def create(self, blobs_id: str) -> None:
        """Make the file and its tables when they are not there.

        Raises SettingsError when the file is not ours, of another version, or was first used with
        another blob store.
        """
        self._blobs_id = blobs_id
        until = self._clock.now() + self._timeout
        while True:
            try:
                with contextlib.closing(self._open("rwc")) as connection:
                    return self._create(connection)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or self._clock.now() >= until:
                    raise
                time.sleep(_RETRY)

    def join(self) -> None:
        """Use the file that is there, with the blob store that it names.

        Raises CatalogError when there is none, SettingsError when it is not ours or of another
        version.
        """
        if not self._path.exists():
            raise CatalogError(
                f"There is no catalog in {self._path.parent}: no server has used it yet.",
                value=str(self._path.parent),
                accepted="the IMCAXY_DATA_DIR of the servers",
            )
        with contextlib.closing(self._open("rw")) as connection:
            self._refuse_stranger(connection)
            if _pragma(connection, "application_id") != APPLICATION:
                raise CatalogError(f"{self._path} is empty: no server has used it yet.")
            found = connection.execute("SELECT value FROM meta WHERE name = 'blobs'").fetchone()
            self._blobs_id = str(found[0]) if found else ""
            self._verify(connection)

    def use(self, function: Callable[[sqlite3.Connection], T], until: float) -> T:
        """What `function` returns when it is given this thread's connection."""
        try:
            connection = self._mine()
            self._held.until = until
            return function(connection)
        except (sqlite3.Error, OSError):
            self.close_mine()  # the next call opens the file anew: the fault may have ended
            raise

    def close_mine(self) -> None:
        """Close this thread's connection."""
        connection, self._held.connection = self._held.connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _mine(self) -> sqlite3.Connection:
        found = os.stat(self._path)  # noqa: PTH116 - one call; this stands before every statement
        file = (found.st_dev, found.st_ino)
        if self._held.connection is not None and file == self._held.file:
            return self._held.connection
        self.close_mine()
        connection = self._open("rw")
        try:
            self._verify(connection)
        except SettingsError as error:
            connection.close()
            raise CatalogError("The catalog's file was replaced by another.") from error
        except BaseException:
            connection.close()
            raise
        self._held.connection, self._held.file = connection, file
        return connection

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,  # transactions begin and end where this program says so
        )
        self._held.until = self._clock.now() + self._timeout
        connection.set_progress_handler(self._is_late, _STEPS)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        return connection

    def _is_late(self) -> bool:
        return self._clock.now() > self._held.until

    def _create(self, connection: sqlite3.Connection) -> None:
        self._refuse_stranger(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have made the tables while this one waited.
            if _pragma(connection, "application_id") != APPLICATION:
                self._make_tables(connection)
            self._migrate(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self._verify(connection)

    def _refuse_stranger(self, connection: sqlite3.Connection) -> None:
        tables = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        if tables and _pragma(connection, "application_id") != APPLICATION:
            raise SettingsError(
                f"IMCAXY_DATA_DIR: {self._path} is a database of another program",
                value=str(self._path),
            )

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('blobs', ?)", (self._blobs_id,))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = _pragma(connection, "user_version")
        while version in MIGRATIONS:
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")

    def _verify(self, connection: sqlite3.Connection) -> None:
        version = _pragma(connection, "user_version")
        if version != VERSION:
            raise SettingsError(
                f"IMCAXY_DATA_DIR: {self._path} has version {version}, needed is {VERSION}",
                value=str(version),
                accepted=str(VERSION),
            )
        found = connection.execute("SELECT value FROM meta WHERE name = 'blobs'").fetchone()
        if found is None or found[0] != self._blobs_id:
            raise SettingsError(
                f"IMCAXY_DATA_DIR: {self._path} was first used with another blob store",
                value=self._blobs_id,
                accepted=str(found[0]) if found else None,
            )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
