import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.blobs.unfinished import Unfinished, remove_unfinished


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.fixture(params=[True, False], ids=["nameless", "named"])
def nameless(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {".lock"}


def test_published_file_has_its_bytes_and_leaves_nothing_else(tmp: Path, nameless: bool) -> None:
    path = tmp.parent / "aa" / "name"
    total = Unfinished(tmp, nameless).write(b"pic").write(b"ture").publish(path)
    assert total == BlobSum(7, sha256(b"picture").hexdigest())
    assert path.read_bytes() == b"picture"
    assert files(tmp) == set()


def test_unpublished_file_is_not_seen_and_abandoned_it_is_gone(tmp: Path, nameless: bool) -> None:
    unfinished = Unfinished(tmp, nameless).write(b"picture")
    assert files(tmp) == set() or not nameless
    unfinished.abandon()
    unfinished.abandon()
    assert files(tmp) == set()
    with pytest.raises(OSError, match="Bad file descriptor"):
        unfinished.write(b"more")


def test_taken_name_is_refused_and_keeps_its_bytes(tmp: Path, nameless: bool) -> None:
    path = tmp.parent / "aa" / "name"
    Unfinished(tmp, nameless).write(b"first").publish(path)
    with pytest.raises(FileExistsError):
        Unfinished(tmp, nameless).write(b"second").publish(path)
    assert path.read_bytes() == b"first"
    assert files(tmp) == set()


def test_no_descriptor_is_left(tmp: Path, nameless: bool) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    Unfinished(tmp, nameless).write(b"x").publish(tmp.parent / "aa" / "name")
    Unfinished(tmp, nameless).write(b"x").abandon()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


WRITER = """
import sys
from pathlib import Path
from imcaxy.store.blobs.unfinished import Unfinished
held = Unfinished(Path(sys.argv[1]), nameless=False).write(b"half")
print("written", flush=True)
sys.stdin.read()
"""


def test_only_a_dead_writers_file_is_removed(tmp: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        assert remove_unfinished(tmp) == 0
        assert len(files(tmp)) == 1
        writer.kill()
        writer.wait()
    assert remove_unfinished(tmp) == 1
    assert files(tmp) == set()
