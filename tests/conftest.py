"""What every test folder shares."""

import os
import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is not installed; in CI, which installs them, that is a failure."""
    for mark in item.iter_markers("needs"):
        missing = [str(name) for name in mark.args if shutil.which(str(name)) is None]
        if missing and os.environ.get("CI"):
            pytest.fail(f"not installed: {', '.join(missing)}", pytrace=False)
        elif missing:
            pytest.skip(f"needs {', '.join(missing)}")
