import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from imcaxy.errors import BlobCorrupt
from imcaxy.grammar.variant import CHUNK, Head
from imcaxy.server.policy import HttpPolicy
from imcaxy.server.sendfile import BURST
from tests.fakes.house import House, Open
from tests.fakes.proxy import ETAG, MADE_AT, ScriptedVariant
from tests.fakes.wire import Wire, until

BODY = os.urandom(1 << 20) * 3
TARGET = "/imaginary/resize?width=1"


class OnDisk:
    """An open file of which the kernel has some bytes in memory."""

    def __init__(self, path: Path, resident: int) -> None:
        path.write_bytes(BODY)
        self.descriptor = os.open(path, os.O_RDONLY)
        self.resident = resident  # bytes at the beginning
        self.changed_at: int | None = None

    def is_resident(self, start: int, stop: int) -> bool:
        if self.changed_at is not None and stop > self.changed_at:
            raise BlobCorrupt
        return stop <= self.resident


class FileVariant(ScriptedVariant):
    """A picture in such a file."""

    def __init__(self, file: OnDisk) -> None:
        super().__init__()
        self.head = Head("image/webp", len(BODY), ETAG, MADE_AT)
        self.whole = True
        self.blob = file
        self.pieces = 0

    @property
    def available(self) -> int:
        return len(BODY)

    async def read(  # type: ignore[override]  # an iterator is enough
        self, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        end = len(BODY) if stop is None else stop
        for offset in range(start, end, CHUNK):
            self.pieces += 1
            yield BODY[offset : min(offset + CHUNK, end)]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OnDisk]:
    opened = OnDisk(tmp_path / "blob", len(BODY))
    yield opened
    os.close(opened.descriptor)


async def asked(house: House, file: OnDisk, *fields: str) -> tuple[Wire, FileVariant]:
    variant = FileVariant(file)
    house.proxy.put("resize", variant)
    wire = await house.wire()
    await wire.send("\r\n".join((f"GET {TARGET} HTTP/1.1", "Host: x", *fields, "", "")))
    return wire, variant


async def test_file_in_the_kernels_memory_is_sent_by_the_kernel(house: House, file: OnDisk) -> None:
    wire, variant = await asked(house, file)
    reply = await wire.reply()
    assert (reply.whole, reply.body == BODY) == (True, True)
    assert variant.pieces == 1  # before the status line
    assert house.log[-1]["bytes"] == len(BODY)
    assert (await wire.get("/healthz")).status == 200


async def test_range_of_a_file_begins_where_it_should(house: House, file: OnDisk) -> None:
    wire, _ = await asked(house, file, "Range: bytes=100000-1999999")
    reply = await wire.reply()
    assert reply.status == 206
    assert reply.body == BODY[100_000:2_000_000]


@pytest.mark.parametrize("resident", [0, 100, BURST, 2 * BURST + 5])
async def test_bytes_on_the_disk_come_piece_by_piece(
    house: House, file: OnDisk, resident: int
) -> None:
    file.resident = resident
    wire, variant = await asked(house, file)
    reply = await wire.reply()
    assert (reply.whole, reply.body == BODY) == (True, True)
    assert variant.pieces > 1


async def test_file_comes_piece_by_piece_when_no_descriptor_is_left(
    house: House, file: OnDisk
) -> None:
    wire = await house.wire()
    assert (await wire.get("/healthz")).status == 200
    variant = FileVariant(file)
    house.proxy.put("resize", variant)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(file.descriptor)  # the lowest number that is free
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        reply = await wire.get(TARGET)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (reply.whole, reply.body == BODY) == (True, True)
    assert variant.pieces > 1


async def test_file_that_changes_while_it_is_sent_breaks_the_connection(
    house: House, file: OnDisk
) -> None:
    file.changed_at = 2_000_000
    wire, _ = await asked(house, file)
    reply = await wire.reply()
    assert not reply.whole
    assert len(reply.body) <= 2_000_000
    assert house.log[-1]["ended"] == "cut"


async def test_file_that_lost_its_end_breaks_the_connection(house: House, file: OnDisk) -> None:
    os.truncate(f"/proc/self/fd/{file.descriptor}", 1_000_000)
    wire, _ = await asked(house, file)
    assert not (await wire.reply()).whole
    assert house.log[-1]["ended"] == "cut"


async def test_client_that_takes_nothing_of_a_file_is_cut(serving: Open, file: OnDisk) -> None:
    async with serving(HttpPolicy(client_timeout=0.1)) as house:
        wire = await house.wire(4096)
        house.proxy.put("resize", FileVariant(file))
        await until(lambda: house.open)
        (protocol,) = house.open
        assert protocol.transport is not None
        sending = protocol.transport.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        wire.stop_reading()
        descriptors = open_files()
        await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: house.log)
        assert house.log[-1]["ended"] == "cut"
        await until(lambda: not house.open)
        assert open_files() <= descriptors


async def test_client_that_leaves_within_a_file_is_noticed(house: House, file: OnDisk) -> None:
    wire = await house.wire(4096)
    house.proxy.put("resize", FileVariant(file))
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: house.proxy.asked)
    await asyncio.sleep(0)
    wire.close()
    await until(lambda: house.log)
    assert house.log[-1]["ended"] == "client-left"
    await until(lambda: not house.open)
