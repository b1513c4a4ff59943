"""What the store of a running server needs runs out and comes back (I18, I21, I22)."""

import asyncio
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.harness import Answer, Getting, Response, Stack, digest, eventually, png_of
from tests.faults.store_site import (
    LARGE,
    LATE,
    SMALL,
    UNREAD,
    data,
    good,
    loop_mounted,
    served_while_broken,
    site,
    status,
    whole_again,
)

pytestmark = pytest.mark.slow


@contextmanager
def limited(stage: Stack, what: int, most: int) -> Iterator[None]:
    """The running server's soft limit on something, and nothing of it refused afterwards."""
    pid = stage.server.process.pid
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, what, (soft, hard))


async def test_i18_i21_i22_every_write_to_a_file_fails(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        with limited(stage, resource.RLIMIT_FSIZE, 0):
            await served_while_broken(stage, "either")
        name = (await good(stage, 1, SMALL)).headers["x-request-id"]
        await eventually(lambda: name in stage.server.output)  # the log is a file as well
        await whole_again(stage)


async def test_i18_i22_catalog_has_disk_io_errors(tmp_path: Path) -> None:
    async with site(tmp_path) as stage:
        size = (data(stage) / "catalog.sqlite3-wal").stat().st_size
        with limited(stage, resource.RLIMIT_FSIZE, size):  # where SQLite will write next
            await served_while_broken(stage, "either")
        assert "The catalog's disk failed." in stage.server.output
        await whole_again(stage)


# The disk hangs.


@contextmanager
def frozen(directory: Path) -> Iterator[None]:
    """Whoever writes to the file system of this directory hangs in the kernel."""
    subprocess.run(["fsfreeze", "--freeze", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(directory)], check=True)


async def test_i18_i21_blobs_disk_hangs(tmp_path: Path) -> None:
    blobs = tmp_path / "data" / "blobs"
    with loop_mounted(blobs, "16M"):
        async with site(tmp_path) as stage:
            with frozen(blobs):
                await served_while_broken(stage, "either")
            await whole_again(stage)


async def test_i18_i22_disk_of_the_whole_data_directory_hangs(tmp_path: Path) -> None:
    with loop_mounted(tmp_path / "data", "32M"):
        async with site(tmp_path) as stage:
            with frozen(tmp_path / "data"):
                await served_while_broken(stage, "either")
            await whole_again(stage)


# No descriptor is left.


class Line:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def get(self, target: str) -> Response:
        """One whole exchange; the connection stays."""
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        getting = Getting(self._reader, self._writer)
        async with asyncio.timeout(10):
            while getting.ending is None:
                await getting.read(len(getting.body) + 65536)
        return getting.seen()


@asynccontextmanager
async def line(stage: Stack) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def first_free(pid: int) -> int:
    """The lowest number that no open file of the process has."""
    used = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in range(len(used) + 1) if number not in used)


async def test_i18_i21_no_descriptor_left(tmp_path: Path) -> None:
    body = png_of(3000, seed=3)
    async with site(tmp_path) as stage, line(stage) as kept:
        assert (await kept.get(stage.target(1))).whole
        await asyncio.sleep(0.5)  # files that are closed on other threads are closed
        most = first_free(stage.server.process.pid)
        with limited(stage, resource.RLIMIT_NOFILE, most):
            stage.imaginary.answer(Answer(body))
            for width in (11, 12, 11):
                response = await kept.get(stage.target(width))
                assert response.status == 200, response.body
                assert response.whole
                assert digest(response.body) == digest(body)
                assert "fwd=miss" in status(response)
                assert response.took < LATE
                held = await kept.get(stage.target(1))
                assert status(held) == "Imcaxy; hit; detail=memory"
                assert digest(held.body) == digest(SMALL)
            large = await kept.get(stage.target(2))
            assert large.whole
            assert digest(large.body) == digest(LARGE)
            assert status(large) == "Imcaxy; hit; detail=disk", "its file is open"
            stage.imaginary.answer(Answer(UNREAD))
            unread = await kept.get(stage.target(3))
            assert digest(unread.body) == digest(UNREAD)
            assert "fwd=miss" in status(unread)
            new = asyncio.gather(stage.get(1))  # a connection takes a descriptor too
            await asyncio.sleep(1.0)
            assert (await kept.get(stage.target(1))).whole
        (turned_away_or_late,) = await asyncio.wait_for(new, 10)
        assert turned_away_or_late.body in (b"", SMALL)
        await good(stage, 1, SMALL)
        await whole_again(stage)
