"""Nothing of this machine's own git or of its environment reaches a test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.invalidations import FakeImcaxy
from tests.invalidator.gits import Work


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("GIT_", "IMCAXY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.init(tmp_path / "work")


@pytest.fixture
def imcaxy() -> Iterator[FakeImcaxy]:
    with FakeImcaxy() as server:
        yield server
