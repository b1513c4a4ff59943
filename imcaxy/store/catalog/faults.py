"""What SQLite's errors mean to whoever runs the server."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from imcaxy.errors import CatalogError

_SENTENCES = {
    sqlite3.SQLITE_CORRUPT: "The catalog's file is damaged.",
    sqlite3.SQLITE_NOTADB: "The catalog's file is damaged.",
    sqlite3.SQLITE_BUSY: "The catalog's file is locked by another process.",
    sqlite3.SQLITE_LOCKED: "The catalog's file is locked by another process.",
    sqlite3.SQLITE_FULL: "The catalog's disk is full.",
    sqlite3.SQLITE_IOERR: "The catalog's disk failed.",
    sqlite3.SQLITE_INTERRUPT: "The catalog did not answer in time.",
}


def sentence(error: sqlite3.Error) -> str:
    """A public sentence about the error."""
    return _SENTENCES.get(_code(error), "The catalog failed.")


@contextmanager
def translated() -> Iterator[None]:
    """Around what may raise SQLite's errors, OSError or TimeoutError: raises CatalogError."""
    try:
        yield
    except TimeoutError as error:
        raise CatalogError("The catalog did not answer in time.") from error
    except sqlite3.DatabaseError as error:
        raise CatalogError(sentence(error)) from error
    except (sqlite3.Error, OSError, ValueError) as error:
        raise CatalogError("The catalog failed.") from error


def is_full(error: Exception) -> bool:
    """Whether the disk has no room for what was written."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
