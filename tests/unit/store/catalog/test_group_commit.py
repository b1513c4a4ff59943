import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.store.catalog.connections import Connections
from imcaxy.store.catalog.group_commit import GroupCommit


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[GroupCommit]:
    connections = Connections(tmp_path / "catalog.sqlite3", Clock(), 5.0)
    connections.create("blobs-1")
    writer = GroupCommit(connections, Clock(), 5.0)
    yield writer
    await writer.close()


def bury(blob: str) -> Callable[[sqlite3.Connection], int]:
    sql = "INSERT INTO trash VALUES (?, 0, 0)"
    return lambda connection: connection.execute(sql, (blob,)).rowcount


def buried(tmp_path: Path) -> set[str]:
    with sqlite3.connect(tmp_path / "catalog.sqlite3") as connection:
        found = {blob for (blob,) in connection.execute("SELECT blob FROM trash")}
    connection.close()
    return found


class Gate:
    """A write that waits in its thread until a test lets it go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()

    def __call__(self, _: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.entered.set)
        self._open.wait(5)

    def open(self) -> None:
        self._open.set()


async def test_writes_that_wait_together_share_one_transaction(
    writer: GroupCommit, tmp_path: Path
) -> None:
    gate, changes = Gate(), set()

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("SAVEPOINT inner")
        changes.add(connection.in_transaction and threading.get_ident())
        connection.execute("RELEASE inner")

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.write(gate))
        await gate.entered.wait()
        tasks = [group.create_task(writer.write(bury(f"b{n}"))) for n in range(50)]
        last = group.create_task(writer.write(write))
        await asyncio.wait([*tasks, last], timeout=0)
        assert len(writer._waiting) == 51
        gate.open()
    assert len(buried(tmp_path)) == 50
    assert len(changes) == 1


async def test_failing_write_does_not_hurt_the_others(writer: GroupCommit, tmp_path: Path) -> None:
    gate = Gate()

    def fails_halfway(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO trash VALUES ('half', 0, 0)")
        connection.execute("INSERT INTO trash VALUES ('one', 0, 0)")

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.write(gate))
        await gate.entered.wait()
        first = group.create_task(writer.write(bury("one")))
        bad = asyncio.gather(writer.write(fails_halfway), return_exceptions=True)
        last = group.create_task(writer.write(bury("two")))
        await asyncio.wait([first, last], timeout=0)
        gate.open()
    assert isinstance((await bad)[0], sqlite3.IntegrityError)
    assert buried(tmp_path) == {"one", "two"}


async def test_write_given_up_before_its_turn_writes_nothing(
    writer: GroupCommit, tmp_path: Path
) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.write(gate))
        await gate.entered.wait()
        late = group.create_task(writer.write(bury("late")))
        await asyncio.wait([late], timeout=0)
        late.cancel()
        await asyncio.wait([late])
        gate.open()
    await writer.write(bury("next"))
    assert buried(tmp_path) == {"next"}


async def test_write_given_up_while_another_process_holds_the_lock_writes_nothing(
    tmp_path: Path,
) -> None:
    connections = Connections(tmp_path / "catalog.sqlite3", Clock(), 5.0)
    connections.create("blobs-1")
    writer = GroupCommit(connections, Clock(), 0.1)
    other = sqlite3.connect(tmp_path / "catalog.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        await writer.write(bury("given up"))
    other.execute("ROLLBACK")
    other.close()
    await writer.write(bury("after"))
    assert buried(tmp_path) == {"after"}
    await writer.close()


async def test_closed_writer_fails_what_waits(tmp_path: Path) -> None:
    connections = Connections(tmp_path / "catalog.sqlite3", Clock(), 5.0)
    connections.create("blobs-1")
    writer, gate = GroupCommit(connections, Clock(), 0.2), Gate()
    found = asyncio.gather(
        writer.write(gate),
        writer.write(bury("late")),
        return_exceptions=True,
    )
    await gate.entered.wait()
    await writer.close()
    gate.open()
    assert isinstance((await found)[1], TimeoutError)
