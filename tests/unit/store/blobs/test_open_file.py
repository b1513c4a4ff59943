import os
from pathlib import Path

import pytest

from imcaxy.errors import BlobCorrupt
from imcaxy.store.blobs.open_file import OpenFile

BODY = bytes(range(256)) * 40


def opened(path: Path, closed: list[int]) -> OpenFile:
    path.write_bytes(BODY)

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        os.close(descriptor)

    return OpenFile(os.open(path, os.O_RDONLY), close)


class Probed(OpenFile):
    """A file that counts the looks into the kernel's memory, and is told what they find."""

    looks = 0
    there = True

    def _is_there(self, start: int, stop: int) -> bool:
        self.looks += 1
        return self.there


@pytest.fixture
def closed() -> list[int]:
    return []


def waits_never(path: Path) -> bool:
    """Whether the file system can say that it would have to wait."""
    path.write_bytes(b"x")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_bytes_in_the_kernels_memory_are_given(tmp_path: Path, closed: list[int]) -> None:
    if not waits_never(tmp_path / "probe"):
        pytest.skip("this file system cannot say whether it would wait")
    file = opened(tmp_path / "blob", closed)
    assert file.length == len(BODY)
    assert file.read_now(0, len(BODY)) == bytearray(BODY)
    assert file.read_now(10, 20) == bytearray(BODY[10:20])


@pytest.mark.parametrize("harm", ["shorter", "longer", "written"])
def test_file_that_is_no_more_what_it_was_is_not_read(
    tmp_path: Path, closed: list[int], harm: str
) -> None:
    path = tmp_path / "blob"
    file = opened(path, closed)
    assert file.unchanged()
    match harm:
        case "shorter":
            os.truncate(path, 100)
        case "longer":
            os.truncate(path, 100_000)
        case _:
            with path.open("r+b") as stream:
                stream.write(b"x")
            os.utime(path, ns=(1, 1))
    assert file.read_now(0, 10) is None
    assert file.changed
    assert file.stale
    assert not file.unchanged()
    with pytest.raises(BlobCorrupt):
        file.is_resident(0, 10)


def test_deleted_file_is_read_to_its_end_by_who_has_it_and_given_to_nobody(
    tmp_path: Path, closed: list[int]
) -> None:
    file = opened(tmp_path / "blob", closed)
    (tmp_path / "blob").unlink()
    assert not file.is_ready(7.0)
    assert file.stale
    assert not file.changed
    file.is_resident(0, len(BODY))  # raises nothing
    if waits_never(tmp_path / "probe"):
        assert file.read_now(0, len(BODY)) == bytearray(BODY)


def probed(path: Path) -> Probed:
    path.write_bytes(BODY)
    return Probed(os.open(path, os.O_RDONLY), os.close)


def test_file_in_the_kernels_memory_is_looked_for_there_once_a_second(tmp_path: Path) -> None:
    file = probed(tmp_path / "blob")
    assert [file.is_ready(now) for now in (7.0, 7.5, 7.9)] == [True] * 3
    assert file.looks == 1
    file.there = False
    assert not file.is_ready(8.0)
    assert not file.is_ready(8.1)
    assert file.looks == 3


def test_file_that_was_changed_is_not_ready_however_lately_it_was(tmp_path: Path) -> None:
    file = probed(tmp_path / "blob")
    assert file.is_ready(7.0)
    os.truncate(tmp_path / "blob", 100)
    assert not file.is_ready(7.0)
    assert file.stale


def test_bytes_behind_the_end_are_not_given(tmp_path: Path, closed: list[int]) -> None:
    file = opened(tmp_path / "blob", closed)
    assert file.read_now(len(BODY) - 5, len(BODY) + 5) is None


def test_descriptor_is_closed_with_the_last_reference(tmp_path: Path, closed: list[int]) -> None:
    file = opened(tmp_path / "blob", closed)
    descriptor, another = file.descriptor, file
    del file
    assert closed == []
    del another
    assert closed == [descriptor]
