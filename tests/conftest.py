"""What every test folder shares."""

import os
import shutil

import pytest

from tests import real


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks a program or a server; where they were promised, that is a failure."""
    for mark in item.iter_markers("needs"):
        missing = [str(name) for name in mark.args if shutil.which(str(name)) is None]
        _lack(missing, "CI", "not installed")  # CI installs them
    for mark in item.iter_markers("integration"):
        missing = [str(name) for name in mark.args if not real.runs(str(name))]
        _lack(missing, "SERVICES_REQUIRED", "do not run (make services)")


def _lack(missing: list[str], promise: str, text: str) -> None:
    if missing and os.environ.get(promise):
        pytest.fail(f"{text}: {', '.join(missing)}", pytrace=False)
    elif missing:
        pytest.skip(f"{text}: {', '.join(missing)}")
