import json
from pathlib import Path

import pytest

from imcaxy_invalidator import manifest
from imcaxy_invalidator.errors import Misused

SITE = "https://site.example"


def of(table: object) -> manifest.Manifest:
    return manifest.parse("m.json", SITE, json.dumps(table).encode())


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"src/a.png": {"file": "assets/a-1.png", "src": "src/a.png"}}, "src/a.png"),
        ({"src/a.png": {"file": "assets/a-1.png"}}, "web/src/a.png"),
        ({"../src/a.png": "assets/a-1.png"}, "src/a.png"),
        ({"/src/a.png": "/assets/a-1.png?id=4"}, "src/a.png"),
        ({"a.png": "https://site.example/assets/a-1.png"}, "src/a.png"),
        ({"files": {"a.png": "./assets/a-1.png"}, "entrypoints": ["x.js"]}, "src/a.png"),
        ({"assets": {"a.png": "assets/a-1.png"}, "files": {"x": {}}}, "src/a.png"),
        ({"a.png": {"src": "assets/a-1.png", "integrity": "x"}}, "a.png"),
        ({"a.png": ["assets/a-1.png"]}, "a.png"),
    ],
)
def test_name_that_a_bundler_gave_is_found(table: object, path: str) -> None:
    assert of(table).addresses(path) == [f"{SITE}/assets/a-1.png"]


def test_other_files_have_no_name() -> None:
    assert of({"a.png": "b.png"}).addresses("xa.png") == []


def test_names_are_relative_to_a_folder_of_the_site() -> None:
    found = manifest.parse(
        "m", f"{SITE}/app", b'{"a": "x \xc3\xa9.png", "b": "/y.png", "c": "//z/"}'
    )
    assert found.addresses("a") == [f"{SITE}/app/x%20%C3%A9.png"]
    assert found.addresses("b") == [f"{SITE}/y.png"]
    assert found.addresses("c") == ["https://z/"]


def test_names_that_came_or_went_are_told() -> None:
    before, now = of({"a": "a-1.png", "b": "b.png"}), of({"a": "a-2.png", "b": "b.png"})
    assert now.moved(before) == [f"{SITE}/a-1.png", f"{SITE}/a-2.png"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_manifest_that_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(Misused, match="no JSON object"):
        manifest.parse("m.json", SITE, content)


def test_manifest_option_names_file_and_address(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    file.write_text('{"a": "b"}')
    assert manifest.read(f"{file}=https://site.example/x/").addresses("a") == [f"{SITE}/x/b"]
    with pytest.raises(Misused, match="cannot be read"):
        manifest.read(f"{file}.not=https://site.example/")
    with pytest.raises(Misused, match="write it as"):
        manifest.read(str(file))
