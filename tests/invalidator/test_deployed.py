import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imcaxy_invalidator.changes import Former, Kind
from imcaxy_invalidator.deployed import Awaited, still_old, wait_until_deployed
from tests.invalidator.clocks import FakeClock

OLD = Former("sha256", hashlib.sha256(b"old").hexdigest())


class Site:
    """Publishes files; what is not there is 404."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fields: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.fields.append({name.lower(): value for name, value in self.headers.items()})
                body = site.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def awaited(self, path: str, kind: Kind, former: Former | None = OLD) -> Awaited:
        return Awaited(f"http://127.0.0.1:{self.server.server_port}{path}", kind, former)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize(
    ("kind", "former", "published", "reason"),
    [
        ("modified", OLD, b"old", "still the old file"),
        ("modified", OLD, b"new", None),
        ("modified", OLD, None, "answered 404"),
        ("modified", None, b"any", None),
        ("added", None, None, "answered 404"),
        ("added", None, b"new", None),
        ("deleted", OLD, b"old", "still the old file"),
        ("deleted", OLD, b"another", None),
        ("deleted", OLD, None, None),
        ("deleted", None, b"any", "still there"),
        ("tracked", None, b"any", None),
        ("tracked", None, None, "answered 404"),
    ],
)
def test_site_has_the_new_state_when(
    site: Site, kind: Kind, former: Former | None, published: bytes | None, reason: str | None
) -> None:
    if published is not None:
        site.files["/a%20b.png"] = published
    assert still_old(site.awaited("/a%20b.png", kind, former)) == reason
    assert site.fields[0]["cache-control"] == "no-cache"
    assert "authorization" not in site.fields[0]


def test_site_that_does_not_answer_is_still_old() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    found = still_old(Awaited(f"http://127.0.0.1:{port}/a.png", "modified", OLD))
    assert found is not None
    assert "does not answer" in found


def test_wait_ends_as_soon_as_everything_is_new(site: Site) -> None:
    site.files = {"/a.png": b"old", "/b.png": b"old"}

    def deploy() -> None:
        site.files["/a.png"] = b"new"
        if len(clock.slept) == 3:
            site.files["/b.png"] = b"new"

    clock = FakeClock(deploy)
    awaited = [site.awaited("/a.png", "modified"), site.awaited("/b.png", "modified")]
    assert wait_until_deployed(awaited, 60, clock) == {}
    assert len(clock.slept) == 3
    assert len(site.fields) == 2 + 2 + 1 + 1


def test_wait_ends_when_its_time_is_up_and_names_what_is_old(site: Site) -> None:
    site.files = {"/a.png": b"old", "/b.png": b"new"}
    awaited = [site.awaited("/a.png", "modified"), site.awaited("/b.png", "modified")]
    clock = FakeClock()
    assert wait_until_deployed(awaited, 60, clock) == {awaited[0].url: "still the old file"}
    assert clock.time == 60
    assert max(clock.slept) == 10


def test_nothing_to_wait_for_ends_at_once() -> None:
    assert wait_until_deployed([], 60, FakeClock()) == {}
