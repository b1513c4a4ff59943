"""The distribution alone: built and installed into an empty environment, then run from there."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.fakes.invalidations import TOKEN, FakeImcaxy
from tests.invalidator.gits import Work

SOURCE = Path(__file__).resolve().parents[2] / "invalidator"
ALL = ("imcaxy_invalidator", "git", "gitdb", "smmap")  # what is imported
SIZE = 2 * 1024 * 1024  # bytes that all of it may take


@pytest.mark.slow
def test_empty_environment_gets_the_command_and_no_image_library(
    tmp_path: Path, work: Work, imcaxy: FakeImcaxy
) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    program = tmp_path / "empty" / "bin"
    before = _packages(program)
    copy = tmp_path / "source"
    _copy(SOURCE, copy)
    _run(program / "pip", "install", "--quiet", "--disable-pip-version-check", str(copy))
    assert _packages(program) - before == {"imcaxy-invalidator", "gitpython", "gitdb", "smmap"}
    (packages,) = (tmp_path / "empty").glob("lib/*/site-packages")
    files = (it for name in ALL for it in (packages / name).rglob("*.py"))
    assert sum(it.stat().st_size for it in files) < SIZE

    head = work.commit(public__a_png=b"1")
    told = ["--server", imcaxy.url, "--token", TOKEN, "--project", "shop"]
    told += ["--map", "public/=https://site.example/"]
    out = _run(program / "imcaxy-invalidator", *told, cwd=work.directory)
    assert "1 address purged" in out
    assert imcaxy.commits == {"shop": head}


def _copy(source: Path, to: Path) -> None:
    """What the repository has; building writes beside it."""
    for path in [*source.glob("*.*"), *source.rglob("*.py")]:
        if path.is_file() and "build" not in path.parts:
            target = to / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def _packages(program: Path) -> set[str]:
    lines = _run(program / "pip", "list", "--format=freeze", "--disable-pip-version-check")
    return {line.partition("==")[0].lower() for line in lines.splitlines()}


def _run(program: Path, *arguments: str, cwd: Path | None = None) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [program, *arguments], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
