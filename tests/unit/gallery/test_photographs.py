import json
import os
from pathlib import Path

import pytest

from imcaxy.gallery.photographs import CAPTIONS_SIZE, SHOWN, Photograph, find_photographs

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def names(directory: Path) -> list[str]:
    return [photo.name for photo in find_photographs(directory)]


def test_samples_all_have_captions_of_their_own() -> None:
    found = find_photographs(SAMPLES)
    assert len(found) >= 6
    captions = json.loads((SAMPLES / "captions.json").read_text())
    assert {photo.name: photo.caption for photo in found} == captions


def test_images_are_sorted_and_everything_else_is_left_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.txt", ".hidden.jpg", "noend", "d.webp", "line\nbreak.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("a.png")
    assert names(tmp_path) == ["a.png", "b.JPG", "d.webp"]


def test_images_past_the_bound_are_left_out(tmp_path: Path) -> None:
    for number in range(SHOWN + 5):
        (tmp_path / f"{number:02}.png").touch()
    assert names(tmp_path) == [f"{number:02}.png" for number in range(SHOWN)]


def test_directory_that_is_absent_has_none(tmp_path: Path) -> None:
    assert names(tmp_path / "absent") == []


def test_image_without_caption_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "old_town-hall.jpg").touch()
    assert find_photographs(tmp_path) == [Photograph("old_town-hall.jpg", "old town hall")]


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"a.png": 3}', "x" * (CAPTIONS_SIZE + 1), '{"a.png": ""}']
)
def test_captions_that_cannot_be_used_are_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "captions.json").write_text(text)
    assert find_photographs(tmp_path) == [Photograph("a.png", "a")]


def test_name_that_is_not_utf8_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):  # noqa: PTH123 - a Path cannot name it
        pass
    assert names(tmp_path) == ["a.png"]
