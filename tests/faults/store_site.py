"""A running server that keeps two pictures, and what must hold while its store is broken."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import orjson
import pytest

from imcaxy.store.store import PAUSE
from tests.e2e.harness import Answer, Response, Stack, digest, eventually, png_of, stack
from tests.faults import datadir

TIMEOUT = 0.5  # seconds; IMCAXY_STORE_TIMEOUT
LATE = 4 * TIMEOUT + 1.0  # seconds that an answer may take while the store is broken
SMALL = png_of(2000, seed=1)  # held in memory
LARGE = png_of(600_000, seed=2)  # over a quarter of the memory tier: only ever on the disk
UNREAD = png_of(600_000, seed=5)  # the same, and its file is not open as that of the other is
KEPT = 3  # these

# Whether what is on the disk can be read. After a write that fails the store is left alone for a
# moment, so "either" is what a disk that only refuses writes comes to.
Disk = Literal["gone", "readable", "either"]


@asynccontextmanager
async def site(directory: Path, **settings: object) -> AsyncIterator[Stack]:
    """A server that holds width 1 in memory, has 2 on the disk and open, and 3 on the disk."""
    chosen = {"memory_limit": "1MiB", "store_timeout": TIMEOUT, **settings}
    async with stack(directory, **chosen) as stage:
        for width, body, tier in ((1, SMALL, "memory"), (2, LARGE, "disk")):
            stage.imaginary.answer(Answer(body))
            assert (await stage.get(width)).body == body
            await hit(stage, width, body, tier)
            await eventually(lambda: datadir.kept(data(stage)) == width)  # noqa: B023 - called here
        stage.imaginary.answer(Answer(UNREAD))
        assert (await stage.get(3)).body == UNREAD
        await eventually(lambda: datadir.kept(data(stage)) == KEPT)
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
    """Hits in memory and in open files go on; misses are made and sent, each time anew."""
    await _served(stage, disk)
    await asyncio.sleep(2 * TIMEOUT)  # what hangs has been given up, and was not kept meanwhile
    made = stage.imaginary.made
    await _served(stage, disk)
    assert stage.imaginary.made >= made + 23  # one for each width
    for path in ("/healthz", "/readyz"):
        health = await stage.client.get(path)
        assert health.status == 200
        assert orjson.loads(health.body)["status"] == "degraded"


async def _served(stage: Stack, disk: Disk) -> None:
    body = png_of(3000, seed=3)
    stage.imaginary.answer(Answer(body))
    for width in (11, 12, 13, 11):
        assert "fwd=miss" in status(await good(stage, width, body))
        assert status(await good(stage, 1, SMALL)) == "Imcaxy; hit; detail=memory"
    assert status(await good(stage, 2, LARGE)) == "Imcaxy; hit; detail=disk"
    together = await asyncio.gather(*(good(stage, width, body) for width in range(20, 40)))
    assert all("fwd=miss" in status(response) for response in together)
    stage.imaginary.answer(Answer(UNREAD))
    found = status(await good(stage, 3, UNREAD))
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


@contextmanager
def loop_mounted(directory: Path, size: str) -> Iterator[None]:
    """A file system on a block device of its own; skips where that takes a right we do not have."""
    directory.mkdir(parents=True)
    image = directory.with_name(f"{directory.name}.img")
    subprocess.run(["truncate", "-s", size, str(image)], check=True)
    commands = (
        ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(image)],
        ["mount", "-o", "loop,noatime", str(image), str(directory)],
    )
    for command in commands:
        if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("needs the right to mount")
    shutil.rmtree(directory / "lost+found")
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


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
