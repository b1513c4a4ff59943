"""The store of a running server breaks and comes back: what clients see (I18 to I22)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest

from imcaxy.store.store import PAUSE
from tests.e2e.harness import Answer, Hold, Response, Stack, digest, eventually, png_of, stack
from tests.faults import datadir

TIMEOUT = 0.5  # seconds; IMCAXY_STORE_TIMEOUT
LATE = 4 * TIMEOUT + 1.0  # seconds that an answer may take while the store is broken
SMALL = png_of(2000, seed=1)  # held in memory
LARGE = png_of(600_000, seed=2)  # over a quarter of the memory tier: only ever on the disk

# Whether what is on the disk can be read. After a write that fails the store is left alone for a
# moment, so "either" is what a disk that only refuses writes comes to.
Disk = Literal["gone", "readable", "either"]

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


@asynccontextmanager
async def site(directory: Path, **settings: object) -> AsyncIterator[Stack]:
    """A server that holds width 1 in memory and has widths 1 and 2 on the disk."""
    chosen = {"memory_limit": "1MiB", "store_timeout": TIMEOUT, **settings}
    async with stack(directory, **chosen) as stage:
        for width, body, tier in ((1, SMALL, "memory"), (2, LARGE, "disk")):
            stage.imaginary.answer(Answer(body))
            assert (await stage.get(width)).body == body
            await hit(stage, width, body, tier)
            await eventually(lambda: datadir.kept(data(stage)) == width)  # noqa: B023 - called here
        yield stage


def status(response: Response) -> str:
    return response.headers["cache-status"]


def data(stage: Stack) -> Path:
    return stage.server.directory / "data"


async def good(stage: Stack, width: int, body: bytes) -> Response:
    """The picture, whole, right, and without a long wait."""
    response = await stage.get(width)
    assert response.status == 200, response.body
    assert response.whole
    assert digest(response.body) == digest(body)
    assert response.took < LATE
    return response


async def hit(stage: Stack, width: int, body: bytes, tier: str, within: float = 5.0) -> Response:
    """The picture as a hit of this tier, soon."""
    async with asyncio.timeout(within):
        while True:
            response = await good(stage, width, body)
            if status(response) == f"Imcaxy; hit; detail={tier}":
                return response
            await asyncio.sleep(0.1)


async def served_while_broken(stage: Stack, disk: Disk) -> None:
    """Hits in memory go on; misses are made and sent, each time anew."""
    body = png_of(3000, seed=3)
    stage.imaginary.answer(Answer(body))
    for width in (11, 12, 13, 11):
        assert "fwd=miss" in status(await good(stage, width, body))
        assert status(await good(stage, 1, SMALL)) == "Imcaxy; hit; detail=memory"
    together = await asyncio.gather(*(good(stage, width, body) for width in range(20, 40)))
    assert all("fwd=miss" in status(response) for response in together)
    stage.imaginary.answer(Answer(LARGE))
    found = status(await good(stage, 2, LARGE))
    assert "fwd=miss" in found or disk != "gone"
    assert "hit; detail=disk" in found or disk != "readable"


async def whole_again(stage: Stack, *, width: int = 50) -> None:
    """Without a restart: what was kept is found, what is made is kept; nothing is left over."""
    await asyncio.sleep(PAUSE)
    await hit(stage, 2, LARGE, "disk")
    body = png_of(4000, seed=4)
    stage.imaginary.answer(Answer(body))
    made, before = stage.imaginary.made, datadir.kept(data(stage))
    await good(stage, width, body)
    await eventually(lambda: datadir.kept(data(stage)) == before + 1)
    assert status(await good(stage, width, body)) == "Imcaxy; hit; detail=memory"
    assert stage.imaginary.made == made + 1
    await stage.server.kill()
    assert datadir.look(data(stage)).faults() == []
    await datadir.sweep(data(stage))
    assert datadir.look(data(stage)).garbage() == []
    await stage.server.start()
    await hit(stage, width, body, "disk")
    assert stage.imaginary.made == made + 1


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


@contextmanager
def mounted(directory: Path, size: str) -> Iterator[None]:
    """A file system of its own in memory; skips where that takes a right that we do not have."""
    directory.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def remount(directory: Path, how: str) -> None:
    """Once nothing is being written there."""

    def done() -> bool:
        command = ["mount", "-o", f"remount,{how}", str(directory)]
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0

    await eventually(done, within=5.0)


async def test_i21_blobs_read_only(tmp_path: Path) -> None:
    blobs = tmp_path / "data" / "blobs"
    with mounted(blobs, "16m"):
        async with site(tmp_path) as stage:
            await remount(blobs, "ro")
            await served_while_broken(stage, "either")
            await remount(blobs, "rw")
            await whole_again(stage)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


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
    locker = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(catalog)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        yield
    finally:
        locker.kill()
        locker.communicate()


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
        assert datadir.kept(data(stage)) == 2
        await asyncio.sleep(PAUSE)
        again = await good(stage, 60, body)
        assert status(again) == "Imcaxy; fwd=miss; stored"
        assert again.headers["etag"] == response.headers["etag"]
        await eventually(lambda: datadir.kept(data(stage)) == 3)
        await whole_again(stage)
        await hit(stage, 60, body, "disk")


async def test_i19_killed_between_blob_and_entry(tmp_path: Path) -> None:
    body = png_of(5000, seed=6)
    async with site(tmp_path, store_timeout=10) as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(body, hold=hold), Answer(body))
        reader = await stage.begin(70)
        await hold.reached()
        kept = len(list((data(stage) / "blobs").glob("??/??/*")))
        with locked(data(stage) / "catalog.sqlite3"):
            hold.release()
            response = await reader.rest()
            assert response.body == body
            await eventually(lambda: len(list((data(stage) / "blobs").glob("??/??/*"))) == kept + 1)
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
