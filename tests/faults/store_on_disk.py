"""A store on real files, and processes beside it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imcaxy.clock import Clock
from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import PAUSE, Kept, Store
from imcaxy.tasks import Tasks
from tests.fakes.rows import chunks_of

HEAD = Head("image/webp", None, '"etag"', 0.0)
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
        return self.directory / "blobs" / name[:2] / name

    def blob_files(self) -> set[str]:
        root = self.directory / "blobs"
        found = {path.name for path in root.rglob("*") if path.is_file()}
        return found - {"id", ".lock"}


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
