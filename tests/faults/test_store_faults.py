"""The store with its disk full, gone, read-only or damaged."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imcaxy.errors import BlobError, BlobMissing, CatalogError, StoreError
from imcaxy.store.catalog.base import Entry
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.store import SMALL
from tests.fakes.rows import a_record, chunks_of
from tests.faults.store_on_disk import Disk, body_of, read_into

# The disk is full.


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "tiny"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def remount(directory: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(directory)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def append_many(catalog: SQLiteCatalog) -> None:
    for number in range(1, 500):
        await catalog.append(a_record(number, *(f"key-{n}" for n in range(200))))


async def insert_many(catalog: SQLiteCatalog, entry: Entry) -> None:
    for number in range(1000):
        await catalog.insert_entry(replace(entry, blob=f"blob-{number:04}"))


async def test_full_disk_keeps_nothing_and_recovers(tiny: Path) -> None:
    disk = Disk(tiny, 2.0)
    await disk.start()
    kept = await disk.keep(b"small", "small")
    with pytest.raises(BlobError, match="No space"):
        await disk.keep(bytes(5 * 1024 * 1024))
    assert disk.blob_files() == {kept.entry.blob}
    disk.restart()
    assert await disk.store.look_up("signature") is None
    assert await body_of(await disk.store.look_up("small")) == b"small"
    await disk.keep(b"fits again")
    await disk.close()


async def test_full_disk_refuses_a_record_and_recovers(tiny: Path) -> None:
    disk = Disk(tiny, 2.0)
    await disk.start()
    filler = tiny / "filler"
    with pytest.raises(OSError, match="No space"):
        fill(filler)
    with pytest.raises(CatalogError, match="full"):
        await append_many(disk.catalog)
    head = await disk.catalog.head()
    filler.unlink()
    assert await disk.catalog.append(a_record(head.number + 1, "key"))
    await disk.close()


async def test_full_disk_takes_an_invalidation_and_evictions_but_no_entry(tiny: Path) -> None:
    disk = Disk(tiny, 2.0)
    await disk.start()
    kept = await disk.keep(b"small", "small")
    with pytest.raises(OSError, match="No space"):
        fill(tiny / "filler")
    appended = 0
    with pytest.raises(StoreError):
        await insert_many(disk.catalog, kept.entry)
    while (tiny / "reserve").exists():
        appended += 1
        record = a_record(appended, *(f"key-{appended}-{n}" for n in range(20)))
        assert await disk.catalog.append(record)
    with pytest.raises(CatalogError, match="but for a reserve"):
        await disk.catalog.insert_entry(replace(kept.entry, blob="another"))
    assert await disk.catalog.append(a_record(appended + 1, "*"))
    await disk.catalog.delete_entry(kept.entry.blob, 0.0)
    (tiny / "filler").unlink()
    await disk.catalog.insert_entry(replace(kept.entry, blob="another"))
    assert (tiny / "reserve").exists()
    await disk.close()


# The directory of the blobs goes away.


async def test_vanished_directory_forgets_no_entry(disk: Disk) -> None:
    await disk.keep(b"picture")
    disk.restart()
    (disk.directory / "blobs").rename(disk.directory / "elsewhere")
    with pytest.raises(BlobError) as raised:
        await disk.store.look_up("signature")
    assert not isinstance(raised.value, BlobMissing)
    with pytest.raises(StoreError):
        await disk.keep(b"another", "another")
    assert not (disk.directory / "blobs").exists()
    (disk.directory / "elsewhere").rename(disk.directory / "blobs")
    assert await body_of(await disk.after_pause()) == b"picture"


async def test_empty_mount_point_forgets_no_entry_and_takes_no_blob(disk: Disk) -> None:
    kept = await disk.keep(b"picture")
    disk.restart()
    (disk.directory / "blobs").rename(disk.directory / "elsewhere")
    (disk.directory / "blobs" / "tmp").mkdir(parents=True)
    with pytest.raises(BlobError, match="gone, or was replaced"):
        await disk.store.look_up("signature")
    with pytest.raises(BlobError, match="gone, or was replaced"):
        await disk.blobs.put("abcdef", chunks_of(b"x"))
    assert disk.blob_files() == set()
    shutil.rmtree(disk.directory / "blobs")
    (disk.directory / "elsewhere").rename(disk.directory / "blobs")
    assert disk.blob_files() == {kept.entry.blob}
    assert await body_of(await disk.after_pause()) == b"picture"


async def test_read_only_disk_answers_and_keeps_nothing(tiny: Path, tmp_path: Path) -> None:
    disk = Disk(tmp_path / "data", 2.0, tiny)
    await disk.start()
    await disk.keep(b"picture")
    disk.restart()
    remount(tiny, "ro")
    with pytest.raises(BlobError, match="Read-only"):
        await disk.keep(b"another", "another")
    remount(tiny, "rw")
    assert await body_of(await disk.after_pause()) == b"picture"
    await disk.close()


# Bytes change.


@pytest.mark.parametrize("size", [100, SMALL + 100])
async def test_truncated_blob_heals_into_a_miss(disk: Disk, size: int) -> None:
    kept = await disk.keep(os.urandom(size))
    disk.restart()
    os.truncate(disk.path(kept), size - 1)
    assert await disk.store.look_up("signature") is None
    again = await disk.keep(b"made again")
    disk.restart()
    found = await disk.store.look_up("signature")
    assert found is not None
    assert found.entry == again.entry


async def test_flipped_bit_heals_into_a_miss(disk: Disk) -> None:
    kept = await disk.keep(os.urandom(100_000))
    disk.restart()
    path = disk.path(kept)
    body = bytearray(path.read_bytes())
    body[50_000] ^= 4
    path.write_bytes(body)
    assert await disk.store.look_up("signature") is None
    assert not await disk.catalog.named([kept.entry.blob])


async def test_flipped_bit_in_a_large_blob_breaks_the_read(disk: Disk) -> None:
    kept = await disk.keep(os.urandom(SMALL + 100))
    disk.restart()
    path = disk.path(kept)
    body = bytearray(path.read_bytes())
    body[SMALL] ^= 4
    path.write_bytes(body)
    found = await disk.store.look_up("signature")
    assert found is not None
    got: list[bytes] = []
    with pytest.raises(BlobError):
        await read_into(got, found)
    assert sum(map(len, got)) < len(body)
    await disk.tasks.drain(5)
    assert await disk.store.look_up("signature") is None


async def test_deleted_blob_heals_into_a_miss(disk: Disk) -> None:
    kept = await disk.keep(b"picture")
    disk.restart()
    disk.path(kept).unlink()
    assert await disk.store.look_up("signature") is None
    assert not await disk.catalog.named([kept.entry.blob])
