"""Processes that share a store die, race, and read what others write."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.sweep import Limits, Sweep
from tests.fakes.rows import a_claim, an_instance
from tests.faults.store_on_disk import ROOT, Disk, program, wait_for

NOW = Limits(disk_limit=2**40, longest_response=-1.0, lease=0.0, outcome_life=0.0)


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
