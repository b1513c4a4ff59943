"""Files below a root, and nothing else."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imcaxy.errors import (
    SourceError,
    SourceFailed,
    SourceMalformed,
    SourceMissing,
    SourceRefused,
    SourceTimeout,
    SourceTooLarge,
)
from imcaxy.grammar.source import Source
from imcaxy.sources.directory import DirectoryReader


async def no_bound(_: int) -> None:
    """Admit anything."""


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[DirectoryReader]:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "b" / "ä c.jpg").write_bytes(b"picture")
    (tmp_path / "root" / "large").write_bytes(b"x" * 1001)
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "inner").symlink_to("large")
    (tmp_path / "root" / "folder").symlink_to("a")
    (tmp_path / "root" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "root" / "pipe")
    reader = DirectoryReader(tmp_path / "root", max_bytes=1000, timeout=5)
    yield reader
    await reader.close()


@pytest.mark.parametrize("path", ["a/b/ä c.jpg", "/a/b/ä c.jpg", "a//./b/ä c.jpg"])
async def test_read_file_returns_its_bytes(reader: DirectoryReader, path: str) -> None:
    asked: list[int] = []

    async def admit(most: int) -> None:
        asked.append(most)

    assert await reader.read(Source("file", path), admit) == b"picture"
    assert asked == [7]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("a/none.jpg", SourceMissing),
        ("none/b", SourceMissing),
        ("large/b", SourceMissing),
        ("x" * 300, SourceMissing),
        ("", SourceMissing),
        ("/", SourceMissing),
        ("\udc80", SourceMissing),
        ("a\0b", SourceMalformed),
        ("../outside", SourceRefused),
        ("a/../../outside", SourceRefused),
        ("a/b/..", SourceRefused),
        ("link", SourceRefused),
        ("inner", SourceRefused),
        ("folder/b/ä c.jpg", SourceRefused),
        ("up/outside", SourceRefused),
        ("a", SourceRefused),
        ("pipe", SourceRefused),
        ("large", SourceTooLarge),
    ],
)
async def test_read_anything_else_is_an_error(
    reader: DirectoryReader, path: str, error: type[SourceError]
) -> None:
    with pytest.raises(SourceError) as caught:
        await reader.read(Source("file", path), no_bound)
    assert type(caught.value) is error


async def test_read_unix_socket_is_refused(
    reader: DirectoryReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "root")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(SourceRefused):
            await reader.read(Source("file", "socket"), no_bound)


async def test_read_root_unset_is_refused_and_names_the_setting() -> None:
    reader = DirectoryReader(None, max_bytes=1, timeout=1)
    with pytest.raises(SourceRefused) as caught:
        await reader.read(Source("file", "a"), no_bound)
    assert "IMCAXY_SOURCE_DIR" in (caught.value.accepted or "")
    await reader.close()


async def test_read_root_gone_is_a_failure_without_its_path(tmp_path: Path) -> None:
    reader = DirectoryReader(tmp_path / "gone", max_bytes=1, timeout=1)
    with pytest.raises(SourceFailed) as caught:
        await reader.read(Source("file", "a"), no_bound)
    assert str(tmp_path) not in str(caught.value.to_record())
    await reader.close()


@pytest.mark.parametrize("change", [b"longer than it was", b"short", b"PICTURE"])
async def test_read_file_changed_after_its_size_was_told_is_never_torn(
    reader: DirectoryReader, tmp_path: Path, change: bytes
) -> None:
    async def admit(_: int) -> None:
        (tmp_path / "root" / "a" / "b" / "ä c.jpg").write_bytes(change)

    reading = reader.read(Source("file", "a/b/ä c.jpg"), admit)
    if len(change) == len(b"picture"):
        assert await reading == change
    else:
        with pytest.raises(SourceFailed, match="changed"):
            await reading


async def test_read_folder_replaced_by_a_link_during_the_walk_is_refused(
    reader: DirectoryReader, tmp_path: Path
) -> None:
    async def admit(_: int) -> None:
        (tmp_path / "root" / "a").rename(tmp_path / "moved")
        (tmp_path / "root" / "a").symlink_to(tmp_path / "moved")

    with pytest.raises(SourceRefused, match="symbolic link"):
        await reader.read(Source("file", "a/b/ä c.jpg"), admit)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_read_leaves_no_descriptor_open(reader: DirectoryReader) -> None:
    await reader.read(Source("file", "a/b/ä c.jpg"), no_bound)
    before = descriptors()
    for path in ("a/b/ä c.jpg", "link", "a", "pipe", "large", "a/none"):
        for _ in range(5):
            await asyncio.gather(
                reader.read(Source("file", path), no_bound), return_exceptions=True
            )
    assert descriptors() == before


async def test_read_all_threads_hanging_is_a_timeout(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    reader = DirectoryReader(tmp_path, max_bytes=1, timeout=0.05)
    stuck = os.pipe()
    for _ in range(8):
        reader._threads.submit(os.read, stuck[0], 1)
    with pytest.raises(SourceTimeout):
        await reader.read(Source("file", "file"), no_bound)
    os.write(stuck[1], b"x" * 8)
    await reader.close()
    for end in stuck:
        os.close(end)


async def test_read_system_failing_is_a_failure() -> None:
    reader = DirectoryReader(Path("/proc/self"), max_bytes=1, timeout=5)
    with pytest.raises(SourceFailed, match="cannot be read"):
        await reader.read(Source("file", "mem"), no_bound)  # nothing is mapped at its first byte
    await reader.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_read_without_permission_is_a_failure(
    reader: DirectoryReader, tmp_path: Path
) -> None:
    (tmp_path / "root" / "large").chmod(0)
    with pytest.raises(SourceFailed, match="cannot be read"):
        await reader.read(Source("file", "large"), no_bound)
