import sqlite3
from pathlib import Path

import pytest

from imcaxy.store.catalog.faults import is_full, sentence


def test_full_database_is_full_and_says_so(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "small.sqlite3")
    connection.execute("CREATE TABLE some (body BLOB)")
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.Error) as raised:
        connection.execute("INSERT INTO some VALUES (zeroblob(100000))")
    connection.close()
    assert is_full(raised.value)
    assert sentence(raised.value) == "The catalog's disk is full."


def test_file_of_something_else_is_damaged_and_not_full(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database" * 1000)
    connection = sqlite3.connect(tmp_path / "text")
    with pytest.raises(sqlite3.Error) as raised:
        connection.execute("SELECT * FROM sqlite_schema")
    connection.close()
    assert sentence(raised.value) == "The catalog's file is damaged."
    assert not is_full(raised.value)


def test_error_without_a_code_only_failed() -> None:
    assert sentence(sqlite3.OperationalError()) == "The catalog failed."
    assert not is_full(OSError())
