import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError, SettingsError
from imcaxy.store.catalog.base import Usage
from imcaxy.store.catalog.schema import FIND, FIRST_CLAIM
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[SQLiteCatalog]:
    catalog = SQLiteCatalog(tmp_path, Clock())
    await catalog.start("blobs-1")
    yield catalog
    await catalog.close()


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


async def test_connection_is_durable_and_verified(catalog: SQLiteCatalog) -> None:
    found: dict[str, object] = {}

    def look(connection: sqlite3.Connection) -> None:
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            found[name] = pragma(connection, name)

    await catalog._writer.write(lambda _: None)
    await catalog._writer.write(look)
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 2000,
    }


async def test_find_reads_by_index_only(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    await catalog.insert_entry(an_entry())
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {FIND}", ("s",))]
    connection.close()
    scans = [step for step in plan if step.startswith("SCAN")]
    assert scans == ["SCAN k VIRTUAL TABLE INDEX 1:"], plan  # the keys in the row itself


async def test_first_claim_is_taken_in_one_step_by_index(
    catalog: SQLiteCatalog, tmp_path: Path
) -> None:
    assert await catalog.insert_first_claim(a_claim(1))
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {FIRST_CLAIM}", [None] * 9).fetchall()
    connection.close()
    assert [row[3] for row in plan if row[3].startswith("SCAN")] == ["SCAN CONSTANT ROW"]


async def test_entry_deleted_leaves_no_keys(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    await catalog.insert_entry(an_entry())
    await catalog.delete_entry("blob-1", 1.0)
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    assert connection.execute("SELECT count(*) FROM entry_keys").fetchone() == (0,)
    connection.close()


async def test_record_refused_leaves_no_keys(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    await catalog.append(a_record(1, "a"))
    await catalog.append(a_record(1, "b", request="other"))
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    assert connection.execute("SELECT key FROM log_keys").fetchall() == [("a",)]
    connection.close()


async def test_slow_statement_is_interrupted_at_the_deadline(catalog: SQLiteCatalog) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    late = Clock().now() + 0.05
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        catalog._connections.use(lambda mine: mine.execute(endless).fetchone(), late)
    catalog._connections.close_mine()


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    catalog = SQLiteCatalog(tmp_path, Clock())
    with pytest.raises(SettingsError, match="IMCAXY_DATA_DIR"):
        await catalog.start("blobs-1")
    await catalog.close()


async def test_other_version_is_refused(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    await catalog.close()
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SettingsError, match="99"):
        await SQLiteCatalog(tmp_path, Clock()).start("blobs-1")


async def test_file_of_version_1_keeps_its_entries_and_learns_what_is_new(tmp_path: Path) -> None:
    catalog = SQLiteCatalog(tmp_path, Clock())
    await catalog.start("blobs-1")
    await catalog.insert_entry(an_entry(request=""))
    await catalog.close()
    with sqlite3.connect(tmp_path / "catalog.sqlite3") as connection:
        connection.execute("ALTER TABLE entries DROP COLUMN request")
        connection.execute("ALTER TABLE entries DROP COLUMN uses")
        connection.execute("ALTER TABLE entries DROP COLUMN seen")
        connection.execute("ALTER TABLE trash DROP COLUMN length")
        connection.execute("ALTER TABLE cleared DROP COLUMN last")
        connection.execute("DROP INDEX log_request")
        connection.execute("DROP INDEX log_project")
        connection.execute("DROP INDEX log_revision")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    again = SQLiteCatalog(tmp_path, Clock())
    await again.start("blobs-1")
    assert await again.find("signature") == an_entry(request="")
    assert await again.append(a_record(1, "elsewhere"))
    assert not await again.append(a_record(2, "elsewhere", request="r1"))
    assert list(await again.uncleared(0, 10)) == [1]
    assert await again.usage() == Usage(1, 7)
    await again.close()


async def test_clean_stop_frees_the_incarnation(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    other = SQLiteCatalog(tmp_path, Clock())
    await other.start("blobs-1")
    await other.write_instance(an_instance())
    assert not await catalog.is_gone("incarnation-1")
    await other.close()
    assert await catalog.is_gone("incarnation-1")
    await catalog.delete_instance("incarnation-1")
    assert not list((tmp_path / "instances").iterdir())


async def test_unreadable_row_is_a_catalog_error(catalog: SQLiteCatalog, tmp_path: Path) -> None:
    await catalog.insert_entry(an_entry())
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    with connection:
        connection.execute("UPDATE entries SET keys = '[half'")
    connection.close()
    with pytest.raises(CatalogError):
        await catalog.find("signature")


async def test_start_in_a_place_that_cannot_be_is_a_mistake_in_the_settings(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    catalog = SQLiteCatalog(tmp_path / "file" / "data", Clock())
    with pytest.raises(SettingsError, match="IMCAXY_DATA_DIR"):
        await catalog.start("blobs-1")
    await catalog.close()


async def test_usage_counts_the_room_that_rows_leave_behind_in_the_file(
    catalog: SQLiteCatalog,
) -> None:
    claims = [a_claim(number) for number in range(1, 200)]
    empty = (await catalog.usage()).catalog_bytes
    for claim in claims:
        await catalog.insert_claim(claim)
    full = await catalog.usage()
    await catalog.delete_claims(claims)
    left = await catalog.usage()
    assert (full.claims, left.claims) == (199, 0)
    assert empty < full.catalog_bytes == left.catalog_bytes
