import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services import running
from services.answering import http_ok
from services.place import Place, ServiceError, listening
from services.servers import SERVERS, Server, Start

LISTENS = (
    "import http.server as h, sys; "
    "h.test(h.SimpleHTTPRequestHandler, bind='127.0.0.1', port=int(sys.argv[1]))"
)


class Interpreter:
    """A program that is there already."""

    def pins(self) -> bytes:
        return b"any"

    def build(self, scratch: Path, to: Path) -> None:
        assert scratch.is_dir()
        to.symlink_to(sys.executable)


def python(code: str) -> Server:
    return Server(
        program=Interpreter(),
        command=lambda start: ["-c", code, str(start.port)],
        ready=lambda port: http_ok(port, "/"),
        told=lambda start: {"SERVICES_ONE_URL": f"http://{start.address}/a b"},
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setitem(SERVERS, "one", python(LISTENS))
    found = Place(tmp_path)
    yield found
    running.stop(found, "one")


def test_start_returns_once_the_server_answers_and_again_does_nothing(place: Place) -> None:
    running.start(place, "one")
    pid = running.pid_of(place, "one")
    assert running.status(place, "one")
    running.start(place, "one")
    assert running.pid_of(place, "one") == pid


def test_restart_keeps_the_port(place: Place) -> None:
    running.start(place, "one")
    port, pid = place.port("one"), running.pid_of(place, "one")
    running.stop(place, "one")
    assert running.pid_of(place, "one") is None
    for _ in range(200):
        if not listening(port):
            break
        time.sleep(0.05)  # the kernel closes it a moment later
    assert not listening(port)
    running.start(place, "one")
    assert place.port("one") == port
    assert running.pid_of(place, "one") != pid


def test_start_port_taken_by_another_takes_another_port(place: Place) -> None:
    port = place.port("one")
    with subprocess.Popen([sys.executable, "-c", LISTENS, str(port)]) as other:
        while not listening(port):
            time.sleep(0.02)
        running.start(place, "one")
        assert place.port("one") != port
        other.kill()


def test_start_server_that_ends_says_what_it_wrote(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SERVERS, "one", python("raise SystemExit('no such luck')"))
    with pytest.raises(ServiceError, match="no such luck"):
        running.start(place, "one")
    assert running.pid_of(place, "one") is None


def test_start_server_that_never_answers_is_stopped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = replace(python("import time; time.sleep(60)"), ready=lambda port: False)
    monkeypatch.setitem(SERVERS, "one", mute)
    monkeypatch.setattr(running, "START", 0.3)
    with pytest.raises(ServiceError, match="did not answer"):
        running.start(place, "one")
    assert running.pid_of(place, "one") is None


def test_stop_server_that_ignores_the_signal_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LISTENS}"
    monkeypatch.setitem(SERVERS, "one", python(stubborn))
    monkeypatch.setattr(running, "STOP", 0.3)
    running.start(place, "one")
    pid = running.pid_of(place, "one")
    running.stop(place, "one")
    assert pid is not None
    assert running._born(pid) is None


def test_pid_of_process_with_a_reused_id_is_not_ours(place: Place) -> None:
    place.run("one").write_text(f"{os.getpid()} 1\n")
    assert running.pid_of(place, "one") is None
    running.stop(place, "one")  # and so does not end this process


def test_write_env_is_what_a_shell_reads(place: Place) -> None:
    running.start(place, "one")
    running.write_env(place)
    read = subprocess.run(
        ["sh", "-c", f'. {place.env}; printf %s "$SERVICES_ONE_URL"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == f"http://127.0.0.1:{place.port('one')}/a b"
    running.stop(place, "one")
    running.write_env(place)
    assert "SERVICES_ONE_URL" not in place.env.read_text()


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "one"])
def test_servers_listen_on_this_machine_only(name: str, tmp_path: Path) -> None:
    start = Start(tmp_path / name, 4711, tmp_path)
    command = " ".join(SERVERS[name].command(start))
    assert "127.0.0.1" in command
    assert "4711" in command
    assert all("127.0.0.1:4711" in v or "/" in v for v in SERVERS[name].told(start).values())
