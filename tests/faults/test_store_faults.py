"""The store with its disk, its files and its neighbours broken on purpose."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import BlobError, BlobMissing, CatalogError, StoreError
from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import PAUSE, SMALL, Kept, Store
from imcaxy.store.sweep import Limits, Sweep
from imcaxy.tasks import Tasks
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance, chunks_of

HEAD = Head("image/webp", None, '"etag"', 0.0)
NOW = Limits(disk_limit=2**40, longest_response=-1.0, lease=0.0, outcome_life=0.0)
ROOT = Path(__file__).parents[2]


class Disk:
    """A store on real files; `restart` forgets what is in memory."""

    def __init__(self, directory: Path, timeout: float, blobs: Path | None = None) -> None:
        self.directory = directory
        self.timeout = timeout
        self.clock = Clock()
        self.tasks = Tasks()
        self.blobs = FileBlobs(blobs or directory / "blobs", timeout)
        self.catalog = SQLiteCatalog(directory, self.clock, timeout)
        self.restart()

    def restart(self) -> None:
        memory = MemoryTier(64 * 1024 * 1024)
        parts = (self.catalog, self.blobs, memory, self.clock, self.tasks)
        self.store = Store(*parts, timeout=self.timeout * 4)

    async def start(self) -> None:
        await self.blobs.start()
        await self.catalog.start(self.blobs.id)

    async def close(self) -> None:
        await self.tasks.drain(0)
        await self.catalog.close()
        await self.blobs.close()

    async def keep(self, body: bytes, signature: str = "signature") -> Kept:
        return await self.store.keep(
            blob=self.store.new_blob_name(),
            signature=signature,
            keys=("file",),
            as_of=LOG_START,
            head=HEAD,
            cost=0.1,
            chunks=chunks_of(*(body[at : at + 65536] for at in range(0, len(body), 65536))),
        )

    async def after_pause(self, signature: str = "signature") -> Kept | None:
        await asyncio.sleep(PAUSE)
        return await self.store.look_up(signature)

    def path(self, kept: Kept) -> Path:
        name = kept.entry.blob
        return self.directory / "blobs" / name[:2] / name[2:4] / name

    def blob_files(self) -> set[str]:
        root = self.directory / "blobs"
        found = {path.name for path in root.rglob("*") if path.is_file()}
        return found - {"id", ".lock"}


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    disk = Disk(tmp_path / "data", 0.5)
    await disk.start()
    yield disk
    await disk.close()


async def body_of(kept: Kept | None) -> bytes:
    assert kept is not None
    return b"".join([bytes(piece) async for piece in kept.read()])


async def read_into(got: list[bytes], kept: Kept) -> None:
    async for piece in kept.read():
        got.append(bytes(piece))  # noqa: PERF401 - what came before a failure is looked at


@contextmanager
def program(source: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that runs the source; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[bytes], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().decode().strip() == word


# The disk is full.


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "tiny"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(directory)]
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


async def test_full_disk_keeps_nothing_and_recovers(tiny: Path) -> None:
    disk = Disk(tiny, 0.5)
    await disk.start()
    kept = await disk.keep(b"small", "small")
    with pytest.raises(BlobError, match="No space"):
        await disk.keep(bytes(2 * 1024 * 1024))
    assert disk.blob_files() == {kept.entry.blob}
    disk.restart()
    assert await disk.store.look_up("signature") is None
    assert await body_of(await disk.store.look_up("small")) == b"small"
    await disk.keep(b"fits again")
    await disk.close()


async def test_full_disk_refuses_a_record_and_recovers(tiny: Path) -> None:
    disk = Disk(tiny, 0.5)
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
    disk = Disk(tmp_path / "data", 0.5, tiny)
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
    assert not await disk.catalog.entry_exists(kept.entry.blob)


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
    assert not await disk.catalog.entry_exists(kept.entry.blob)


# The catalog's file is locked, damaged, replaced.

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
    first = Disk(tmp_path, 0.3)
    await first.start()
    await first.keep(b"picture")
    await first.close()
    disk = Disk(tmp_path, 0.3)
    with program(HOLDER, str(tmp_path / "catalog.sqlite3"), "everything") as holder:
        wait_for(holder, "locked")
        await disk.blobs.start()
        with pytest.raises(CatalogError):
            await disk.catalog.start(disk.blobs.id)
    await disk.start()
    assert await body_of(await disk.store.look_up("signature")) == b"picture"
    await disk.close()


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


# Processes die, race and read what others write.

KEEPER = """
import asyncio, sys
from pathlib import Path
from imcaxy.clock import Clock
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.fakes.rows import a_claim, an_entry, an_instance, chunks_of

async def keep(directory, stage):
    async def pause(name):
        if name == stage:
            print("reached", flush=True)
            await asyncio.Event().wait()

    async def half():
        yield bytes(3_000_000)
        await pause("inside the blob")
        yield b"end"

    blobs = FileBlobs(directory / "blobs")
    await blobs.start()
    catalog = SQLiteCatalog(directory, Clock())
    await catalog.start(blobs.id)
    await catalog.write_instance(an_instance("killed"))
    claim = a_claim(1, by="killed", blob="killed-blob")
    await catalog.insert_claim(claim)
    await pause("before the blob")
    total = await blobs.put("killed-blob", half())
    await pause("before the entry")
    entry = an_entry("killed-blob", bytes(3_000_000) + b"end")
    assert entry.sum == total
    await catalog.insert_entry(entry)
    await pause("before the outcome")
    await catalog.end_claim(claim, "{}")
    await pause("after the outcome")
    await catalog.delete_entry("killed-blob", 0.0)
    await pause("before the sweep")

asyncio.run(keep(Path(sys.argv[1]), sys.argv[2]))
"""

STAGES = {
    "before the blob": 0,
    "inside the blob": 0,
    "before the entry": 0,
    "before the outcome": 1,
    "after the outcome": 1,
    "before the sweep": 0,
}


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_process_leaves_no_garbage_after_a_sweep(disk: Disk, stage: str) -> None:
    with program(KEEPER, str(disk.directory), stage) as keeper:
        wait_for(keeper, "reached")
        sweep = Sweep(
            disk.catalog, disk.blobs, disk.clock, "sweeper", NOW, disk.blobs.remove_unfinished
        )
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
    await sweep.sweep_once()
    entries = await disk.catalog.oldest_entries(10)
    assert {entry.blob for entry in entries} == disk.blob_files()
    assert len(entries) == STAGES[stage]
    for entry in entries:
        await disk.blobs.load(entry.blob, entry.sum)
    assert not await disk.catalog.claims("signature")
    assert not await disk.catalog.instances()
    assert not list((disk.directory / "instances").iterdir())
    assert not await disk.catalog.trash(disk.clock.wall() + 10, 10)


async def test_running_process_is_spared_by_the_sweep(disk: Disk) -> None:
    with program(KEEPER, str(disk.directory), "before the entry") as keeper:
        wait_for(keeper, "reached")
        limits = Limits(2**40, longest_response=-1.0, lease=60.0, outcome_life=0.0)
        sweep = Sweep(disk.catalog, disk.blobs, disk.clock, "sweeper", limits)
        await sweep.sweep_once()
        assert disk.blob_files() == {"killed-blob"}
        assert len(await disk.catalog.instances()) == 1
        assert len(await disk.catalog.claims("signature")) == 1


RACER = """
import asyncio, sys
from pathlib import Path
from imcaxy.clock import Clock
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.fakes.rows import a_claim, a_record

async def race(directory, me):
    catalog = SQLiteCatalog(directory, Clock(), 20.0)
    await catalog.start("blobs-1")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(1, 51):
        if await catalog.insert_claim(a_claim(number, by=me)):
            print("claim", number, flush=True)
        if await catalog.append(a_record(number, "key", request=f"{me}-{number}")):
            print("record", number, flush=True)
        if (await catalog.head()).number < number:
            print("unseen", number, flush=True)
    await catalog.close()

asyncio.run(race(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_eight_processes_race_and_each_number_has_one_winner(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), f"racer-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for number in range(8)
    ]
    for racer in racers:
        wait_for(racer, "ready")
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    said = [line for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    expected = [f"{what} {number}" for what in ("claim", "record") for number in range(1, 51)]
    assert sorted(line.decode() for line in said) == sorted(expected)
    assert [racer.returncode for racer in racers] == [0] * 8


async def test_readers_are_not_held_up_by_a_writer(disk: Disk) -> None:
    await disk.catalog.insert_entry(an_entry())
    with program(HOLDER, str(disk.directory / "catalog.sqlite3"), "writes") as holder:
        wait_for(holder, "locked")
        async with asyncio.timeout(disk.timeout):
            for _ in range(50):
                assert await disk.catalog.find("signature") == an_entry()


async def test_reader_in_another_process_sees_an_acknowledged_write(
    disk: Disk, tmp_path: Path
) -> None:
    other = SQLiteCatalog(disk.directory, Clock())
    await other.start(disk.blobs.id)
    for number in range(1, 100):
        await disk.catalog.insert_claim(a_claim(number))
        assert (await other.claims("signature"))[0].number == number
    await other.close()


async def test_incarnation_of_a_killed_process_is_gone_at_once(disk: Disk) -> None:
    with program(KEEPER, str(disk.directory), "before the blob") as keeper:
        wait_for(keeper, "reached")
        assert not await disk.catalog.is_gone("killed")
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
        assert await disk.catalog.is_gone("killed")
    await disk.catalog.write_instance(an_instance("mine"))
    assert not await disk.catalog.is_gone("mine")
