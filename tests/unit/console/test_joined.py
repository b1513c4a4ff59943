import os
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.console.joined import joined
from imcaxy.errors import CatalogError
from imcaxy.settings_reading import load


async def test_directory_without_a_catalog_is_told_and_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("IMCAXY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMCAXY_DATA_DIR", str(tmp_path / "typo"))
    with pytest.raises(CatalogError, match="no server has used it yet"):
        async with joined(load(), Clock()):
            pass
    assert list(tmp_path.iterdir()) == []
