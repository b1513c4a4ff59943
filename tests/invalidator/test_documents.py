"""What the page, the action and the container say is what the command takes."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from imcaxy_invalidator.options import KNOWN, PREFIX, parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "invalidator.md"
ACTION = ROOT / "invalidator" / "action.yml"
TEXTS = [PAGE, ACTION, ROOT / "invalidator" / "README.md", ROOT / "invalidator" / "Dockerfile"]
OTHERS = {"--spec", "--rm", "--quiet"}  # of pipx, docker and pip


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_variable_and_option_that_is_named_is_there(path: Path) -> None:
    text = path.read_text()
    variables = set(re.findall(rf"{PREFIX}([A-Z_]*[A-Z])", text))
    assert {it.lower() for it in variables} <= set(KNOWN)
    if path.name != "Dockerfile":
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - OTHERS
        assert options <= set(parser().format_help().split()) | {"--config", "--help"}


def test_page_tells_of_every_option_that_needs_more_than_its_line() -> None:
    plain = {"server", "repository", "timeout", "attempts", "since", "all", "dry_run"}
    text = PAGE.read_text()
    assert [it.flag for it in KNOWN.values() if it.name not in plain and it.flag not in text] == []


def test_action_gives_the_command_its_inputs_as_they_are(tmp_path: Path) -> None:
    """Whatever an input holds, it is one argument or one variable and never a command."""
    _, _, script = ACTION.read_text().partition("      run: |\n")
    stub = tmp_path / "pipx"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$IMCAXY_INVALIDATOR_MAP"\n')
    stub.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_ACTION_PATH": "/an action",
        "IMCAXY_INVALIDATOR_MAP": "a/=https://a.example/\nb/=https://b.example/",
        "OPTIONS": "--wait 30 \n --exclude $(touch x) *",
    }
    ended = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", textwrap.dedent(script)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == [
        *("run", "--spec", "/an action", "imcaxy-invalidator"),
        *("--wait", "30", "--exclude", "$(touch", "x)", "*"),
        *("a/=https://a.example/", "b/=https://b.example/"),
    ]
    assert not (tmp_path / "x").exists()
