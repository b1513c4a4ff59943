"""What every test folder shares."""

import os
import shutil

import pytest

from tests import real


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks a program or a server; where they were promised, that is a failure."""
    for mark in item.iter_markers("needs"):
        missing = [str(name) for name in mark.args if shutil.which(str(name)) is None]
        # CI installs them.
        _lack(missing, "not installed", promised=bool(os.environ.get("CI")))
    required = os.environ.get("SERVICES_REQUIRED", "").split()
    for mark in item.iter_markers("integration"):
        missing = [str(name) for name in mark.args if not real.runs(str(name))]
        text = "do not run (make services)"
        _lack(missing, text, promised=not set(missing).isdisjoint(required))


def _lack(missing: list[str], text: str, *, promised: bool) -> None:
    if missing and promised:
        pytest.fail(f"{text}: {', '.join(missing)}", pytrace=False)
    elif missing:
        pytest.skip(f"{text}: {', '.join(missing)}")
