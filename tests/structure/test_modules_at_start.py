"""A command imports only what it needs: start-up is most of what a short command takes."""

import argparse
import subprocess
import sys

import pytest

from imcaxy.cli import _parser

REPORT = """
import sys
names = {name.split(".")[0] for name in sys.modules}
print("third parties:", *names - set(sys.stdlib_module_names))
"""
NOBODYS = {"__main__", "_distutils_hack", "imcaxy", "sitecustomize"}
# What a compiler and an editable installation bring along.
MACHINERY = ("_sysconfig", "_cython", "cython_", "__editable___")
SETTINGS = {
    "annotated_types",
    "dotenv",
    "pydantic",
    "pydantic_core",
    "pydantic_settings",
    "typing_extensions",
    "typing_inspection",
}
# Those that only one of the processors, stores or children needs, and that take the longest.
LATER = {"bson", "dns", "miniopy_async", "motor", "numpy", "pymongo", "pyvips", "_libvips"}


def imported(code: str) -> set[str]:
    """Packages of others that running the code has imported."""
    ran = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True
    )
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("third parties:"))
    names = set(line.split()[2:]) - NOBODYS
    return {name for name in names if not name.startswith(MACHINERY)}


def commands() -> list[str]:
    (action,) = (
        each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction)
    )
    return sorted(action.choices)


def run(*arguments: str) -> str:
    return f"""
from contextlib import suppress
from imcaxy.cli import main
with suppress(SystemExit):
    main({list(arguments)!r})
"""


@pytest.mark.parametrize("command", commands())
def test_help_of_a_command_imports_nothing(command: str) -> None:
    assert imported(run(command, "--help")) == set()


def test_settings_import_what_validates_them_and_no_server() -> None:
    assert imported(run("settings")) <= SETTINGS


def test_server_imports_nothing_that_validates_settings() -> None:
    found = imported("import imcaxy.app, imcaxy.settings_apart, imcaxy.settings_text\n")
    assert found & (SETTINGS - {"typing_extensions"}) == set()


def test_server_imports_no_processor_and_no_store_that_it_may_not_use() -> None:
    assert imported("import imcaxy.app\n") & LATER == set()
