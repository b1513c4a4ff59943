import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from imcaxy import __version__
from imcaxy.cli import main

HEAVY = {"aiohttp", "pyvips", "pydantic", "uvloop"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.upper().startswith("IMCAXY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMCAXY_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"imcaxy {__version__}\n"


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys; from imcaxy.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(ended.stdout.split()) == set()


@pytest.mark.parametrize("arguments", [[], ["paint"], ["serve", "--colour"], ["worker"]])
def test_arguments_that_make_no_command_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: imcaxy" in capsys.readouterr().err


def test_unknown_command_is_told_the_commands_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["paint"])
    told = capsys.readouterr().err
    assert "'serve', 'settings', 'check'" in told
    assert "worker" not in told


def test_serve_that_cannot_start_does_not_say_that_it_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMCAXY_DATA_DIR", str(tmp_path / "file" / "data"))
    assert main(["serve", "--port", "0"]) == 2
    told = capsys.readouterr().err
    assert "IMCAXY_DATA_DIR" in told
    assert "listens on" not in told


def test_help_lists_the_commands_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in ("serve", "settings", "check"))
    assert "worker " not in text


def test_settings_prints_every_one_with_its_origin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMCAXY_MAX_AGE", "60")
    assert main(["settings", "--port", "81"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["IMCAXY_MAX_AGE=60", "#", "environment"] in lines
    assert ["IMCAXY_PORT=81", "#", "flag"] in lines
    assert ["IMCAXY_HOST=127.0.0.1", "#", "default"] in lines
    assert ["IMCAXY_DEV=false", "#", "default"] in lines


@pytest.mark.parametrize("command", ["serve", "settings", "check"])
def test_settings_that_cannot_work_are_told_and_end_with_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMCAXY_MAX_AGE", "soon")
    assert main([command, "--port", "99999"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--port 99999" in told.err
    assert "IMCAXY_MAX_AGE=soon" in told.err


def test_serve_on_a_taken_port_says_so_and_ends_with_1(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", str(taken_port)]) == 1
    told = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1 port {taken_port}: Address already in use" in told


def test_serve_dev_warns_that_private_sources_are_allowed(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["serve", "--dev", "--port", str(taken_port)])
    assert "private and loopback addresses are allowed" in capsys.readouterr().err


def test_check_tries_every_part_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "blobs"],
        ["ok", "catalog"],
        ["ok", "disk"],
        ["ok", "processor"],
    ]
    assert "libvips 8." in lines[3]


def test_check_with_a_part_that_fails_says_which_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMCAXY_DATA_DIR", str(tmp_path / "file" / "data"))
    assert main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAIL  blobs") for line in lines)
    assert "FAIL  catalog    not tried, because the blobs do not work" in lines


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize(("status", "ended"), [(200, 0), (503, 1)])
def test_health_is_what_the_server_answers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: str,
    status: int,
    ended: int,
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(b'{"status":"so"}')

        def log_message(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setenv("IMCAXY_HOST", host)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        answering = Thread(target=server.handle_request)
        answering.start()
        assert main(["health", "--port", str(server.server_port)]) == ended
        answering.join()
    assert capsys.readouterr().out == '{"status":"so"}\n'


def test_health_of_a_server_that_does_not_run_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert main(["health", "--port", str(nobody.getsockname()[1])]) == 1
    assert "nothing answers on 127.0.0.1" in capsys.readouterr().err


def test_settings_read_by_nobody_ends_without_a_traceback() -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -u -m imcaxy settings | :"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "Traceback" not in ended.stderr
