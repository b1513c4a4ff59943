"""The page of differences from Imaginary and the comparison's exceptions are one list."""

import re
from pathlib import Path

from tests.parity.differences import DIFFERENCES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "imaginary-differences.md"


def test_page_names_every_difference_once_with_its_reason() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\S+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(each.name, each.quirk) for each in DIFFERENCES]
