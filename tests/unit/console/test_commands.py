import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imcaxy.cli import main
from imcaxy.clock import Clock
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.fakes.rows import an_entry, an_instance

URL = "https://h/a.png"


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("IMCAXY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMCAXY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IMCAXY_PURGE_TIMEOUT", "0.2")
    return tmp_path / "data"


async def opened(data: Path) -> SQLiteCatalog:
    data.mkdir(exist_ok=True)
    catalog = SQLiteCatalog(data, Clock())
    await catalog.start("blobs")
    return catalog


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "imcaxy", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def run_in_ascii(*arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program: list[str | bytes] = [sys.executable, "-m", "imcaxy", *arguments]
    return subprocess.run(program, capture_output=True, env=environment, check=False)


async def test_purge_is_recorded_and_cleared_without_any_server(data: Path) -> None:
    catalog = await opened(data)
    await catalog.insert_entry(an_entry(keys=("*",)))
    ended = run("purge", "--all", "--project", "shop", "--commit", "c0ffee")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "Invalidation 1 is done: 1 gone."
    assert await catalog.uncleared(1, 10) == []
    latest = await catalog.latest("shop")
    assert latest is not None
    assert latest.commit == "c0ffee"
    await catalog.close()


async def test_purge_that_an_instance_does_not_confirm_names_it_and_ends_with_3(
    data: Path,
) -> None:
    catalog = await opened(data)
    await catalog.write_instance(an_instance(name="web/7"))  # and its lock is held here
    ended = run("purge", URL)
    assert ended.returncode == 3
    assert "Not confirmed by web/7" in ended.stderr
    await catalog.close()


async def test_purge_as_json_is_the_servers_answer(data: Path) -> None:
    catalog = await opened(data)
    ended = run("purge", URL, "--dry-run", "--json")
    told = json.loads(ended.stdout)
    assert (told["status"], told["perUrl"]) == ("dry-run", {URL: 0})
    assert (await catalog.head()).number == 0
    await catalog.close()


async def test_names_that_are_no_utf8_or_no_ascii_are_purged_and_shown(data: Path) -> None:
    catalog = await opened(data)
    ended = run_in_ascii("purge", b"https://h/\xff.png", "https://h/\xe4.png")
    assert ended.returncode == 0, ended.stderr
    assert b"https://h/%FF.png" in ended.stdout
    assert rb"https://h/\xe4.png" in ended.stdout
    assert (await catalog.head()).number == 1
    await catalog.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["purge"],
        ["purge", "--all", URL],
        ["purge", "ftp://h/a.png"],
        ["purge", "--folder", "--host", URL],
        ["purge", "--commit", "c0ffee", URL],
    ],
)
def test_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert "imcaxy" in capsys.readouterr().err


def test_purge_of_nothing_says_what_the_command_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["purge"]) == 2
    assert "Name a URL, or --all" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["purge", URL], ["instances"]])
def test_catalog_that_is_not_there_ends_with_1(
    arguments: list[str], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert "no server has used it yet" in capsys.readouterr().err
    assert not data.exists()


async def test_instances_are_listed(data: Path) -> None:
    catalog = await opened(data)
    await catalog.write_instance(an_instance(name="web/7"))
    assert "web/7" in run("instances").stdout
    (told,) = json.loads(run("instances", "--json").stdout)
    assert (told["name"], told["state"]) == ("web/7", "runs")
    await catalog.close()


def test_purge_imports_no_heavy_library(data: Path) -> None:
    code = (
        "import sys; from imcaxy.cli import main\n"
        "main(['purge', 'https://h/a.png']); print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"aiohttp", "pyvips", "uvloop"} & set(ended.stdout.split()) == set()
