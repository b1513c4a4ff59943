import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imcaxy_invalidator import __version__
from imcaxy_invalidator.cli import main
from tests.fakes.invalidations import TOKEN, FakeImcaxy, Trouble
from tests.invalidator.gits import Work

ROOT = Path(__file__).resolve().parents[2]
SITE = "https://site.example/"


@pytest.fixture
def shop(work: Work, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A repository with a remote, in which we stand."""
    work.commit(public__a_png=b"1")
    work.git("remote", "add", "origin", "https://git.example/acme/shop.git")
    monkeypatch.chdir(work.directory)
    return work


def newcomer(imcaxy: FakeImcaxy) -> list[str]:
    return ["--server", imcaxy.url, "--token", TOKEN, "--map", f"public/={SITE}"]


def test_three_options_make_a_first_successful_run(
    shop: Work, imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]
) -> None:
    imcaxy.kept[f"{SITE}a.png"] = 3
    assert main(newcomer(imcaxy)) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "acme/shop: first purge of this project: every tracked file that counts",
        "change    removed  address",
        "tracked         3  https://site.example/a.png",
        f"1 address purged, 3 kept pictures removed; the project is at {shop.head[:12]}",
    ]
    assert printed.err == ""
    assert main(newcomer(imcaxy)) == 0
    assert "nothing to purge" in capsys.readouterr().out


def test_json_is_all_that_is_printed(
    shop: Work, imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*newcomer(imcaxy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to"] == shop.head
    imcaxy.troubles = [None, Trouble(400)]
    shop.commit(public__a_png=b"2")
    assert main([*newcomer(imcaxy), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["status"] == "refused"


@pytest.mark.usefixtures("shop")
def test_unconfirmed_ends_with_3_unless_it_is_allowed(
    imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]
) -> None:
    imcaxy.unconfirmed = [["one\x1b[2J"]]
    assert main(newcomer(imcaxy)) == 3
    assert "instance one\\x1b[2J has not confirmed" in capsys.readouterr().err
    imcaxy.unconfirmed = [["one"]]
    assert main([*newcomer(imcaxy), "--all", "--allow-unconfirmed"]) == 0


@pytest.mark.usefixtures("shop")
def test_refusal_ends_with_4(imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = newcomer(imcaxy)
    arguments[3] = "wrong"
    assert main(arguments) == 4
    assert "another token is expected" in capsys.readouterr().err


@pytest.mark.usefixtures("shop")
def test_unreachable_server_ends_with_5(
    imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]
) -> None:
    imcaxy.troubles = [Trouble(503)]
    assert main([*newcomer(imcaxy), "--attempts", "1"]) == 5
    assert "answered 503" in capsys.readouterr().err


@pytest.mark.usefixtures("shop")
def test_mistake_ends_with_2_before_anybody_is_asked(
    imcaxy: FakeImcaxy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*newcomer(imcaxy), "--map", "public"]) == 2
    assert "write it as public/=https://site.example/" in capsys.readouterr().err
    assert imcaxy.calls == []


def test_command_runs_as_a_module_and_imports_no_image_library() -> None:
    code = "import sys, imcaxy_invalidator.cli; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "invalidator")}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    heavy = {"pyvips", "PIL", "cv2", "numpy", "aiohttp", "pydantic", "imcaxy"}
    assert set(ended.stdout.split()) & heavy == set()
    told = subprocess.run(
        [sys.executable, "-m", "imcaxy_invalidator", "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == __version__
