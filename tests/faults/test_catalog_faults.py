"""The catalog's file locked, damaged and replaced."""

import asyncio
import os
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError, StoreError
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.fakes.rows import an_entry
from tests.faults.store_on_disk import Disk, body_of, program, wait_for

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA busy_timeout = 10000")
if sys.argv[2] == "everything":
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE meta SET value = value")
print("locked", flush=True)
sys.stdin.readline()
"""


async def test_file_locked_by_another_process_fails_in_time_and_recovers(disk: Disk) -> None:
    await disk.keep(b"picture")
    disk.restart()
    loop = asyncio.get_running_loop()
    with program(HOLDER, str(disk.directory / "catalog.sqlite3"), "writes") as holder:
        wait_for(holder, "locked")
        begun = loop.time()
        failed = await asyncio.gather(
            *(disk.catalog.bury(f"b{n}", 0.0) for n in range(20)), return_exceptions=True
        )
        assert {type(error) for error in failed} == {CatalogError}
        assert loop.time() - begun < disk.timeout * 1.5
        assert await body_of(await disk.store.look_up("signature")) == b"picture"
    await disk.catalog.bury("after", 0.0)
    assert "after" in {row.blob for row in await disk.catalog.trash(1.0, 100)}


async def test_file_locked_for_readers_too_fails_in_time_and_recovers(tmp_path: Path) -> None:
    first = Disk(tmp_path, 2.0)
    await first.start()
    await first.keep(b"picture")
    await first.close()
    disk = Disk(tmp_path, 2.0)
    with program(HOLDER, str(tmp_path / "catalog.sqlite3"), "everything") as holder:
        wait_for(holder, "locked")
        await disk.blobs.start()
        with pytest.raises(CatalogError):
            await disk.catalog.start(disk.blobs.id)
    await disk.start()
    assert await body_of(await disk.store.look_up("signature")) == b"picture"
    await disk.close()


async def test_readers_are_not_held_up_by_a_writer(disk: Disk) -> None:
    await disk.catalog.insert_entry(an_entry())
    with program(HOLDER, str(disk.directory / "catalog.sqlite3"), "writes") as holder:
        wait_for(holder, "locked")
        async with asyncio.timeout(disk.timeout):
            for _ in range(50):
                assert await disk.catalog.find("signature") == an_entry()


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"\0" * 8192])
async def test_damaged_file_fails_the_start_with_a_clear_message(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "catalog.sqlite3").write_bytes(content)
    catalog = SQLiteCatalog(tmp_path, Clock())
    with pytest.raises(CatalogError, match="damaged"):
        await catalog.start("blobs-1")
    await catalog.close()


async def test_file_damaged_while_running_fails_calls_not_the_process(disk: Disk) -> None:
    for number in range(300):
        await disk.catalog.insert_entry(an_entry(f"blob-{number:04}", signature=str(number)))
    await disk.catalog.close()
    path = disk.directory / "catalog.sqlite3"
    whole = path.read_bytes()
    catalog = SQLiteCatalog(disk.directory, Clock())
    await catalog.start(disk.blobs.id)
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    for _ in range(5):
        with pytest.raises(CatalogError, match="damaged"):
            await catalog.find("7")
    with pytest.raises(CatalogError, match="damaged"):
        await catalog.insert_entry(an_entry("another"))
    path.write_bytes(whole)
    assert await catalog.find("7") is not None
    await catalog.close()


async def test_replaced_file_fails_calls_until_it_is_back(disk: Disk) -> None:
    await disk.keep(b"picture")
    disk.restart()
    path, aside = disk.directory / "catalog.sqlite3", disk.directory / "aside"
    files = [(Path(f"{path}{end}"), Path(f"{aside}{end}")) for end in ("", "-wal", "-shm")]
    for here, there in files:
        here.rename(there)
    with pytest.raises(StoreError):
        await disk.store.look_up("signature")
    with pytest.raises(CatalogError):
        await disk.catalog.bury("b", 0.0)
    assert not path.exists()
    path.touch()
    with pytest.raises(CatalogError):
        await disk.catalog.head()
    for here, there in files:
        here.unlink(missing_ok=True)
        there.rename(here)
    assert await body_of(await disk.after_pause()) == b"picture"


async def test_file_put_in_the_place_of_another_is_not_written_to(disk: Disk) -> None:
    await disk.keep(b"picture")
    path = disk.directory / "catalog.sqlite3"
    (disk.directory / "new").touch()
    (disk.directory / "new").replace(path)
    with pytest.raises(CatalogError):
        await disk.catalog.find("signature")
    with pytest.raises(CatalogError):
        await disk.catalog.bury("b", 0.0)
    assert path.stat().st_size == 0
