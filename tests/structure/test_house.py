"""The house rules that a machine can hold (docs: the design's picture of the rooms)."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import imcaxy

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "imcaxy"
UNIT = ROOT / "tests" / "unit"
CI_TOOL = ROOT / "invalidator" / "imcaxy_invalidator"

# A room may import rooms of a lower level, itself, and what LATERAL says.
LEVELS = {
    "__main__": 8,
    "cli": 7,
    "app": 6,
    "console": 6,
    "adapters": 5,
    "gallery": 5,
    "stores": 4,
    "server": 4,
    "proxy": 3,
    "jobs": 2,
    "invalidation": 2,
    "hub": 1,
    "store": 1,
    "processors": 1,
    "sources": 1,
    "grammar": 0,
    "journal": -1,
    "kept_connections": -2,
    "errors": -1,
    "allocator": -2,
    "clock": -2,
    "machine": -2,
    "tasks": -2,
    "settings": -1,
    "share": 0,
    "settings_apart": 1,
    "settings_reading": 0,
    "settings_rules": -2,
    "settings_text": -3,
    "settings_values": -4,
    "nameserver": -3,
}
LATERAL = {
    ("processors", "sources"): "a picture is made from an Original",
}
READS_SETTINGS = {
    *("adapters", "app", "cli", "console", "share", "stores"),
    *("settings_apart", "settings_reading"),
}
IMPURE = frozenset(
    {"aiohttp", "asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "pyvips", "random"}
    | {"secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading"}
    | {"time", "urllib.request", "uvloop"}
)

# Files with code and without a unit test of their own, and why. An entry that is not needed fails.
NO_UNIT_TEST = {
    "app.py": "wires and decides nothing; tests/e2e run it",
    "processors/vips/children.py": "test_pool.py drives it through the pool",
    "processors/vips/colour.py": "test_corpus.py compares its colours on real pictures",
    "processors/vips/decoding.py": "test_corpus.py reads every kind of picture with it",
    "processors/vips/encoding.py": "test_corpus.py writes every type with it",
    "processors/vips/operations.py": "test_corpus.py runs every operation on every picture",
    "processors/vips/pixels.py": "test_corpus.py compares orientation and alpha",
    "proxy/planning.py": "test_proxy.py has the table of its plans",
    "server/guard.py": "test_invalidations.py and test_observing.py ask without a valid token",
    "server/vitals.py": "test_observing.py reads every figure",
    "server/exchange.py": "test_application.py sees every field of it in the access log",
    "server/pictures.py": "test_application.py has the table of its answers",
    "sources/answer.py": "test_fetching.py provokes each of its errors over real sockets",
    "sources/headers/extent.py": "the formats' tests beside it use it",
    "sources/headers/jpeg.py": "test_picture_header.py reads real files with it",
    "sources/headers/png.py": "test_picture_header.py reads real files with it",
    "sources/headers/webp.py": "test_picture_header.py reads real files with it",
    "share.py": "every test of a whole server runs on its share",
    "settings_rules.py": "test_settings_reading.py breaks each of them",
    "settings_text.py": "test_settings_reading.py reads every mistake that it words",
    "settings_values.py": "test_settings.py and test_settings_reading.py have each kind",
    "store/blobs/s3.py": "tests/contract run it over real servers, tests/faults over failing ones",
    "store/blobs/s3_client.py": "the same",
    "store/catalog/inert.py": "tests/contract run it over real servers",
    "store/catalog/liveness.py": "the same",
    "store/catalog/mongo.py": "tests/contract run it over real servers",
    "store/catalog/mongo_schema.py": "the same; test_catalog_mongo.py reads all that is sent",
    "store/catalog/connections.py": "tests/contract and test_sqlite.py open, lose and reopen them",
}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of all that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    dotted = (name.split(".") for name in imported(path))
    found = {parts[1] for parts in dotted if parts[0] == "imcaxy" and len(parts) > 1}
    return found & LEVELS.keys()


def has_code(path: Path) -> bool:
    """Whether any function has a body beyond a docstring and `...`."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(
        not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for function in functions
        for statement in function.body
    )


def tracked() -> list[Path]:
    """The files that are, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git work tree")
    names = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in names if path.is_file()]


def test_rooms_each_folder_has_a_place_in_the_order() -> None:
    found = {room(path) for path in sources(PACKAGE)} - {"__init__"}
    assert found - LEVELS.keys() == set(), "a room without a level"
    assert LEVELS.keys() - found == set(), "LEVELS names a room that is gone"


@pytest.mark.parametrize("path", sources(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        assert not rooms_imported(path)
        return
    for there in rooms_imported(path) - {here}:
        if there == "settings":
            assert here in READS_SETTINGS, f"{path}: only {READS_SETTINGS} read the settings"
        elif (here, there) not in LATERAL:
            assert LEVELS[there] < LEVELS[here], f"{path}: {here} must not import {there}"


def test_ci_tool_needs_nothing_of_the_server_and_one_library() -> None:
    tops = {name.partition(".")[0] for path in sources(CI_TOOL) for name in imported(path)}
    assert tops - sys.stdlib_module_names == {"imcaxy_invalidator", "git"}


def test_lateral_imports_are_still_needed() -> None:
    used = {(room(path), there) for path in sources(PACKAGE) for there in rooms_imported(path)}
    assert LATERAL.keys() <= used


@pytest.mark.parametrize("path", sources(PACKAGE / "grammar"), ids=lambda path: path.name)
def test_grammar_imports_nothing_that_does_io(path: Path) -> None:
    assert not set(imported(path)) & IMPURE


def test_unit_tests_mirror_the_package() -> None:
    lacking = set()
    for path in sources(PACKAGE):
        name = path.relative_to(PACKAGE)
        if has_code(path) and not (UNIT / name.parent / f"test_{name.name}").is_file():
            lacking.add(str(name))
    assert lacking - NO_UNIT_TEST.keys() == set(), "code without a unit test of its own"
    assert NO_UNIT_TEST.keys() - lacking == set(), "exceptions that are no longer needed"


def test_unit_tests_stand_in_the_folder_of_their_subject() -> None:
    folders = {path.parent.relative_to(UNIT) for path in UNIT.rglob("test_*.py")}
    assert [str(folder) for folder in folders if not (PACKAGE / folder).is_dir()] == []


def test_files_stay_within_500_lines() -> None:
    folders = ("imcaxy", "invalidator", "tests", "services", "benchmarks", ".ci", "requirements")
    files = itertools.chain.from_iterable(sources(ROOT / folder) for folder in folders)
    long = [str(path) for path in files if len(path.read_text().splitlines()) > 500]
    assert long == []


def test_unit_tests_never_sleep() -> None:
    pattern = re.compile(r"\bsleep\((?!0\))")  # sleep(0) waits for no time: it lets others run
    asleep = [str(path) for path in sources(UNIT) if pattern.search(path.read_text())]
    assert asleep == []


def test_suppressions_give_a_reason() -> None:
    bare = re.compile(r"#\s*(noqa(?!: [A-Z0-9, ]+ - )|type: ignore(?!\[[a-z, -]+\]\s+# \w))")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (*sources(PACKAGE), *sources(ROOT / "tests"), *sources(CI_TOOL))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line) and path != Path(__file__)
    ]
    assert found == []


def test_changelog_top_version_is_the_package_version() -> None:
    top = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert top is not None
    assert top[1] == project["version"] == imcaxy.__version__


def test_tracked_files_name_no_machine() -> None:
    """An absolute path of somebody's home ties a file to where it was made."""
    path_of_a_machine = re.compile(rb"(?<![\w.:/$}-])/(?:home|root|Users|work)/[\w.-]+")
    found = []
    for path in tracked():
        text = path.read_bytes()
        if b"\0" not in text[:8000] and path != Path(__file__) and path_of_a_machine.search(text):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


@pytest.mark.parametrize("name", ["build", "dev", "lock", "run"])
def test_lock_files_have_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9._-]+==.*(?:\n    --hash=.*)*", text, re.MULTILINE)
    assert pinned
    assert [item for item in pinned if "--hash=sha256:" not in item] == []
