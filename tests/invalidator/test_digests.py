import os
from pathlib import Path

import pytest

from imcaxy_invalidator import digests
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.globs import Selection


def build(root: Path, **files: bytes) -> dict[str, str]:
    for name, content in files.items():
        (root / "dist" / name.replace("_", ".")).write_bytes(content)
    return digests.taken(str(root / "dist"), root, Selection())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    return tmp_path


def test_first_list_makes_every_file_count(root: Path) -> None:
    now = build(root, a_png=b"1", b_txt=b"1")
    assert [(it.path, it.kind) for it in digests.differences(None, now).files] == [
        ("dist/a.png", "tracked")
    ]


def test_later_list_tells_what_changed_and_what_it_was(root: Path) -> None:
    before = build(root, a_png=b"1", b_png=b"1", c_png=b"1")
    (root / "dist" / "b.png").unlink()
    found = digests.differences(before, build(root, a_png=b"2", d_png=b"1")).files
    assert [(it.path, it.kind) for it in found] == [
        ("dist/a.png", "modified"),
        ("dist/b.png", "deleted"),
        ("dist/d.png", "added"),
    ]
    assert found[0].former is not None
    assert found[0].former.is_like(b"1")


def test_stored_list_comes_back_with_any_name(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/dist/\xff\n.png")).write_bytes(b"1")
    now = build(root, a_png=b"1")
    file = root / "list.json"
    assert digests.load(file) is None
    digests.store(file, now)
    assert digests.load(file) == now
    assert len(now) == 2
    assert sorted(it.name for it in root.iterdir()) == ["dist", "list.json"]


def test_directory_outside_the_repository_keeps_its_given_name(root: Path) -> None:
    build(root, a_png=b"1")
    (root / "repository").mkdir()
    found = digests.taken(str(root / "dist"), root / "repository", Selection())
    assert [*found] == [f"{root}/dist/a.png"]


def test_directory_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(Misused, match="no directory"):
        digests.taken(str(root / "build"), root, Selection())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "files": {}}', '{"version": 1}'])
def test_file_of_another_kind_is_refused(root: Path, text: str) -> None:
    file = root / "list.json"
    file.write_text(text)
    with pytest.raises(Misused, match="--digests"):
        digests.load(file)


def test_place_that_cannot_be_written_is_refused(root: Path) -> None:
    with pytest.raises(Misused, match="cannot be written"):
        digests.store(root / "nowhere" / "list.json", {})
