"""The store of a running server breaks and comes back: what clients see (I18 to I22)."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imcaxy.store.store import PAUSE
from imcaxy.store.store import SMALL as AT_ONCE
from tests.e2e.harness import Answer, Hold, eventually, png_of
from tests.faults import datadir
from tests.faults.store_on_disk import program, wait_for
from tests.faults.store_site import (
    KEPT,
    LARGE,
    SMALL,
    TIMEOUT,
    data,
    fill,
    good,
    hit,
    mounted,
    remount,
    served_while_broken,
    site,
    status,
    whole_again,
)

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""

# Every page is in the main file, and no process may write, when it says "locked"; after a line to
# it no other process believes the pages that it has read before.
OVERTAKER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
while True:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    if not os.stat(sys.argv[1] + "-wal").st_size:
        break
    connection.execute("ROLLBACK")
connection.execute("UPDATE meta SET value = value")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("committed", flush=True)
sys.stdin.readline()
"""

pytestmark = pytest.mark.slow

# The blobs (I21).


async def test_i21_blobs_replaced_by_an_empty_directory(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        blobs, aside = data(stage) / "blobs", data(stage) / "aside"
        blobs.rename(aside)
        (blobs / "tmp").mkdir(parents=True)
        await served_while_broken(stage, "gone")
        assert list(blobs.rglob("*")) == [blobs / "tmp"]
        (blobs / "tmp").rmdir()
        blobs.rmdir()
        aside.rename(blobs)
        await whole_again(stage)


async def test_i21_blobs_gone(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        blobs, aside = data(stage) / "blobs", data(stage) / "aside"
        blobs.rename(aside)
        await served_while_broken(stage, "gone")
        assert not blobs.exists()
        aside.rename(blobs)
        await whole_again(stage)


async def test_i21_blobs_read_only(tmp_path: Path) -> None:
    blobs = tmp_path / "data" / "blobs"
    with mounted(blobs, "16m"):
        async with site(tmp_path) as stage:
            await remount(blobs, "ro")
            await served_while_broken(stage, "either")
            await remount(blobs, "rw")
            await whole_again(stage)


async def test_i18_i21_blobs_disk_full(tmp_path: Path) -> None:
    blobs = tmp_path / "data" / "blobs"
    with mounted(blobs, "8m"):
        async with site(tmp_path) as stage:
            fill(blobs / "filler")
            await served_while_broken(stage, "either")
            (blobs / "filler").unlink()
            await whole_again(stage)


async def test_i18_i22_whole_data_directory_full(tmp_path: Path) -> None:
    with mounted(tmp_path / "data", "8m"):
        async with site(tmp_path) as stage:
            fill(data(stage) / "filler")
            await served_while_broken(stage, "either")
            (data(stage) / "filler").unlink()
            await whole_again(stage)


# The catalog (I22).


@contextmanager
def locked(catalog: Path) -> Iterator[None]:
    """Another process holds the write lock and does not let go."""
    with program(LOCKER, str(catalog)) as locker:
        wait_for(locker, "locked")
        yield


async def test_i22_catalog_locked_by_another_process(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        with locked(data(stage) / "catalog.sqlite3"):
            await served_while_broken(stage, "readable")
        await whole_again(stage)


@pytest.mark.parametrize("how", ["gone", "another file", "a directory"])
async def test_i22_catalog_gone_or_replaced(tmp_path: Path, how: str) -> None:
    async with site(tmp_path) as stage:
        names = ("catalog.sqlite3", "catalog.sqlite3-wal", "catalog.sqlite3-shm")
        aside = stage.server.directory / "aside"
        aside.mkdir()
        for name in names:
            (data(stage) / name).rename(aside / name)
        place = data(stage) / names[0]
        if how == "another file":
            place.write_bytes(b"this is no database" * 500)
        elif how == "a directory":
            place.mkdir()
        await served_while_broken(stage, "gone")
        if how == "a directory":
            place.rmdir()
        for name in names:
            (data(stage) / name).unlink(missing_ok=True)
            (aside / name).rename(data(stage) / name)
        await whole_again(stage)


async def test_i22_catalog_damaged_in_its_place(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        place = data(stage) / "catalog.sqlite3"
        with program(OVERTAKER, str(place)) as overtaker:
            wait_for(overtaker, "locked")
            whole = place.read_bytes()
            overwrite(place, os.urandom(len(whole)))
            assert overtaker.stdin is not None
            overtaker.stdin.write(b"\n")
            overtaker.stdin.flush()
            wait_for(overtaker, "committed")
            await served_while_broken(stage, "gone")
            overwrite(place, whole)
        await whole_again(stage)


def overwrite(path: Path, content: bytes) -> None:
    """Change the bytes of a file that others have open."""
    with path.open("r+b") as file:
        file.write(content)


# One of the two is missing (I18 to I20).


async def test_i18_failed_entry_is_no_row_and_the_next_request_keeps(tmp_path: Path) -> None:
    body = png_of(5000, seed=5)
    async with site(tmp_path) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(body, hold=hold), Answer(body))
        reader = await stage.begin(60)
        await hold.reached()  # the claim is written
        with locked(data(stage) / "catalog.sqlite3"):
            hold.release()
            response = await reader.rest()
            assert response.whole
            assert response.body == body
            await eventually(lambda: "a picture was not kept" in stage.server.output)
        await asyncio.sleep(TIMEOUT)  # a write that still waited for the lock had its turn
        assert datadir.kept(data(stage)) == KEPT
        await asyncio.sleep(PAUSE)
        again = await good(stage, 60, body)
        assert status(again) == "Imcaxy; fwd=miss; stored"
        assert again.headers["etag"] == response.headers["etag"]
        await eventually(lambda: datadir.kept(data(stage)) == KEPT + 1)
        await whole_again(stage)
        await hit(stage, 60, body, "disk")


async def test_i19_killed_between_blob_and_entry(tmp_path: Path) -> None:
    body = png_of(5000, seed=6)
    async with site(tmp_path, store_timeout=10) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(body, hold=hold), Answer(body))
        reader = await stage.begin(70)
        await hold.reached()
        kept = len(list((data(stage) / "blobs").glob("??/*")))
        with locked(data(stage) / "catalog.sqlite3"):
            hold.release()
            response = await reader.rest()
            assert response.body == body
            await eventually(lambda: len(list((data(stage) / "blobs").glob("??/*"))) == kept + 1)
            await stage.server.kill()
        left = datadir.look(data(stage))
        assert len(left.orphans) == 1
        assert left.orphans <= left.running
        assert left.faults() == []
        await stage.server.start()
        again = await good(stage, 70, body)
        assert status(again) == "Imcaxy; fwd=miss; stored"
        assert again.headers["etag"] == response.headers["etag"]
        await hit(stage, 70, body, "memory")
        await whole_again(stage)


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "other bytes"])
async def test_i20_row_without_its_blob_is_a_miss_that_heals(tmp_path: Path, damage: str) -> None:
    async with site(tmp_path) as stage:
        await stage.server.kill()
        left = datadir.look(data(stage))
        paths = [left.files[blob] for blob in left.entries]
        for path in paths:
            body = path.read_bytes()
            if damage == "missing":
                path.unlink()
            else:
                wrong = {"empty": b"", "torn": body[: len(body) // 2], "other bytes": body[::-1]}
                path.write_bytes(wrong[damage])
        await stage.server.start()
        for width, body, tier in ((1, SMALL, "memory"), (2, LARGE, "disk")):
            stage.imaginary.answer(Answer(body))
            first = await good(stage, width, body)
            assert status(first) == "Imcaxy; fwd=miss; stored"
            await hit(stage, width, body, tier)
        await whole_again(stage)


async def test_i20_blob_damaged_past_its_first_bytes_breaks_one_answer_and_heals(
    tmp_path: Path,
) -> None:
    body = png_of(AT_ONCE + 500_000, seed=7)
    async with site(tmp_path) as stage:
        await stage.server.kill()
        before = set(datadir.look(data(stage)).files)
        await stage.server.start()
        stage.imaginary.answer(Answer(body))
        await good(stage, 80, body)
        await eventually(lambda: datadir.kept(data(stage)) == KEPT + 1)
        await stage.server.kill()
        files = datadir.look(data(stage)).files
        (name,) = files.keys() - before
        overwrite(files[name], body[:-1000] + bytes(1000))
        await stage.server.start()
        made = stage.imaginary.made
        broken = await stage.get(80)
        assert status(broken) == "Imcaxy; hit; detail=disk"
        assert not broken.whole
        assert broken.body == body[: len(broken.body)]
        await eventually(lambda: datadir.kept(data(stage)) == KEPT)
        assert status(await good(stage, 80, body)) == "Imcaxy; fwd=miss; stored"
        await hit(stage, 80, body, "disk", within=10.0)
        assert stage.imaginary.made == made + 1
        await whole_again(stage)
