import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imcaxy.errors import BlobError, InternalError, SettingsError
from imcaxy.grammar.variant import CHUNK
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.kept import close
from tests.fakes.rows import chunks_of


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobs]:
    blobs = FileBlobs(tmp_path / "blobs")
    await blobs.start()
    yield blobs
    await blobs.close()


async def test_blob_lies_below_its_first_letters(blobs: FileBlobs, tmp_path: Path) -> None:
    await blobs.put("abcdef", chunks_of(b"picture"))
    assert (tmp_path / "blobs" / "ab" / "abcdef").read_bytes() == b"picture"


async def test_id_is_the_same_after_a_restart_and_another_elsewhere(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    again, elsewhere = FileBlobs(tmp_path / "blobs"), FileBlobs(tmp_path / "others")
    await again.start()
    await elsewhere.start()
    assert blobs.id == again.id != elsewhere.id
    await again.close()
    await elsewhere.close()


def test_id_before_start_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InternalError):
        _ = FileBlobs(tmp_path).id


@pytest.mark.parametrize("name", ["", "abc", "../../etc/passwd", "a/bcd", "abc\0", "x" * 129])
async def test_name_that_could_leave_the_directory_is_refused(blobs: FileBlobs, name: str) -> None:
    with pytest.raises(BlobError):
        await blobs.put(name, chunks_of(b"x"))
    with pytest.raises(BlobError):
        await blobs.delete(name)


async def test_link_in_place_of_a_blob_is_not_followed(blobs: FileBlobs, tmp_path: Path) -> None:
    total = await blobs.put("abcdef", chunks_of(b"picture"))
    path = tmp_path / "blobs" / "ab" / "abcdef"
    (tmp_path / "secret").write_bytes(b"picture")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(BlobError):
        await blobs.load("abcdef", total)


async def test_reader_that_began_reads_on_after_the_delete(blobs: FileBlobs) -> None:
    body = os.urandom(10 * CHUNK)
    total = await blobs.put("abcdef", chunks_of(body))
    pieces = blobs.read("abcdef", total)
    got = [await anext(pieces)]
    await blobs.delete("abcdef")
    got += [piece async for piece in pieces]
    assert b"".join(got) == body


async def test_no_descriptor_is_left(blobs: FileBlobs) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        kept = await blobs.put(f"name-{number}", chunks_of(bytes(CHUNK * 40)))
        pieces = blobs.read(f"name-{number}", kept)
        await anext(pieces)
        await close(pieces)
        await blobs.load(f"name-{number}", kept)
    await blobs.close()  # closing is done by the threads that close waits for
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_root_that_is_no_directory_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blobs = FileBlobs(tmp_path / "file")
    with pytest.raises(SettingsError, match="IMCAXY_DATA_DIR"):
        await blobs.start()
    await blobs.close()


async def test_check_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    assert "free" in await blobs.check()
    left = {path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    assert left <= {"id", ".lock"}
