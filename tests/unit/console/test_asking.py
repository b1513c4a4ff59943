import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imcaxy.console import asking
from imcaxy.console.asking import ask_each, reachable


class Crowd(ThreadingHTTPServer):
    """Answers as one of several processes, in turn; a status other than 200 is a refusal."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.names, self.asked, self.status = names, 0, 200
        self.turn = threading.Lock()
        self.seen: list[tuple[str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        crowd = self.server
        assert isinstance(crowd, Crowd)
        with crowd.turn:
            name = crowd.names[crowd.asked % len(crowd.names)]
            crowd.asked += 1
        crowd.seen.append((self.path, self.headers["Authorization"]))
        told = {"instance": name} if crowd.status == 200 else {"detail": "A valid token is needed."}
        body = json.dumps(told).encode()
        self.send_response(crowd.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    server = Crowd(["web/1", "web/1", "web/2"])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_asks_until_everybody_has_answered(crowd: Crowd) -> None:
    port = crowd.server_address[1]
    fields = {"Authorization": "Bearer t"}
    heard = ask_each("127.0.0.1", port, "/stats", fields, ["web/1", "web/2"])
    assert sorted(heard.answers) == ["web/1", "web/2"]
    assert heard.problem == ""
    assert crowd.seen == [("/stats", "Bearer t")] * 8


def test_somebody_who_never_answers_ends_it_at_the_bound(crowd: Crowd) -> None:
    heard = ask_each("127.0.0.1", crowd.server_address[1], "/stats", {}, ["web/1", "web/9"])
    assert sorted(heard.answers) == ["web/1", "web/2"]
    assert crowd.asked == 40
    assert heard.problem == ""


def test_refusal_ends_it_at_once(crowd: Crowd) -> None:
    crowd.status = 401
    heard = ask_each("127.0.0.1", crowd.server_address[1], "/stats", {}, ["web/1"])
    assert (heard.answers, heard.problem) == ({}, "401: A valid token is needed.")
    assert crowd.asked == 4


def test_one_that_takes_connections_and_is_silent_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        heard = ask_each("127.0.0.1", silent.getsockname()[1], "/stats", {}, ["web/1"])
    assert (heard.answers, "timed out" in heard.problem) == ({}, True)


def test_port_where_nobody_listens_is_told(crowd: Crowd) -> None:
    port = crowd.server_address[1]
    crowd.server_close()
    assert "no answer on 127.0.0.1" in ask_each("127.0.0.1", port, "/stats", {}, ["a"]).problem


def test_server_on_all_addresses_is_asked_on_this_machines_own() -> None:
    assert [reachable(host) for host in ("0.0.0.0", "::", "10.1.2.3")] == [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
    ]
