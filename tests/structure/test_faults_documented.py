"""Every fault that invalidation was built against names tests, and these exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = dict(
    re.findall(r"^\| (F\d+) \| .* \| (.*) \|$", (ROOT / "docs/faults.md").read_text(), re.MULTILINE)
)


def test_no_fault_is_left_out() -> None:
    assert list(ROWS) == [f"F{number}" for number in range(33, 48)]


@pytest.mark.parametrize("fault", ROWS)
def test_fault_has_tests_that_exist(fault: str) -> None:
    named = re.findall(r"`([^`]+)::([^`]+)`", ROWS[fault])
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        functions = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in functions, f"{path} has no {name}"
