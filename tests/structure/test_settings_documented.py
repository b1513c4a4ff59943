"""Settings, their example file and their page say the same, in both directions."""

import itertools
import re
from dataclasses import fields
from pathlib import Path

import pytest

from imcaxy.settings import Settings
from imcaxy.settings_reading import load
from imcaxy.settings_text import variable, written

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "imcaxy.env"
PAGE = ROOT / "docs" / "settings.md"


def defaults() -> dict[str, str]:
    return {variable(name): written(value) for name, value in vars(Settings()).items()}


def example() -> list[tuple[str, str]]:
    return re.findall(r"^#?(IMCAXY_[A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    return re.findall(
        r"^\| `(IMCAXY_[A-Z_]+)` \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE
    )


def test_example_names_every_setting_once_with_its_default() -> None:
    assert dict(example()) == defaults()
    assert len(example()) == len(defaults())


def test_example_explains_every_setting() -> None:
    lines = EXAMPLE.read_text().splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if line.startswith("#IMCAXY_") and not before.startswith("# ")
    ]
    assert bare == []


def test_example_values_are_accepted_when_uncommented(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example():
        monkeypatch.setenv(name, value)
    assert load() == Settings()


def test_page_names_every_setting_once_with_its_default_and_meaning() -> None:
    expected = {
        variable(field.name): (f"`{written(field.default)}`", field.metadata["description"])
        for field in fields(Settings)
    }
    found = {name: (default.replace("not set", "``"), text) for name, default, text in rows()}
    assert found == expected
    assert len(rows()) == len(expected)


def test_documents_name_no_setting_that_is_not_there() -> None:
    known = defaults().keys()
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "Makefile", PAGE]
    named = {
        (document.name, name)
        for document in documents
        for name in re.findall(r"IMCAXY_[A-Z]+(?:_[A-Z]+)*\b(?!\*)", document.read_text())
    }
    assert {(document, name) for document, name in named if name not in known} == set()
