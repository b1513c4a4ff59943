"""Imitates the invalidation routes of a server, as far as a client can see them."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token"  # noqa: S105 - of a fake


@dataclass
class Trouble:
    """What one call meets instead of being answered as it should."""

    status: int = 0  # 0: the connection ends without an answer
    after: bool = False  # whether the call was carried out before
    body: bytes = b'{"title":"Trouble.","detail":"not now"}'
    fields: tuple[tuple[str, str], ...] = ()


class FakeImcaxy:
    """Keeps what was purged, by request; `kept` says how many pictures an address has."""

    def __init__(self) -> None:
        self.commits: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []  # bodies of all DELETEs, refused ones too
        self.applied: dict[str, dict[str, Any]] = {}  # by request
        self.kept: Counter[str] = Counter()
        self.unconfirmed: list[list[str]] = []  # of the next answers and questions, one each
        self.troubles: list[Trouble | None] = []  # one per request, until there are none left
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def purged(self) -> set[str]:
        """All addresses and folders that a call was carried out for."""
        calls = self.applied.values()
        return {it for call in calls for it in (*call["urls"], *call.get("folders", ()))}

    def latest(self, project: str) -> tuple[int, dict[str, Any]]:
        """The answer to GET /latestInvalidation."""
        commit = self.commits.get(project)
        if commit is None:
            return 404, {"title": "No invalidation.", "detail": "none yet", "projectName": project}
        _, document = self._state(1, {}, "done")
        return 200, document | {"projectName": project, "commitHash": commit}

    def invalidate(self, call: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The answer to DELETE /invalidate."""
        dry, request = call.get("dryRun", False), call["request"]
        if not dry and request not in self.applied:
            self.applied[request] = call
            if call.get("latestCommitHash"):
                self.commits[call["projectName"]] = call["latestCommitHash"]
        per_url = {url: self.kept[url] for url in call["urls"]}
        if not dry:
            self.kept.subtract(per_url)
        return self._state(len(self.applied), per_url, "dry-run" if dry else "done")

    def invalidation(self, number: int) -> tuple[int, dict[str, Any]]:
        """The answer to GET /invalidations/{n}, which is 200 also while it is pending."""
        _, document = self._state(number, {}, "done")
        return 200, document

    def _state(
        self, number: int, per_url: dict[str, int], status: str
    ) -> tuple[int, dict[str, Any]]:
        names = self.unconfirmed.pop(0) if self.unconfirmed else []
        return 202 if names else 200, {
            "number": number,
            "status": "pending" if names else status,
            "unconfirmed": names,
            "removed": sum(per_url.values()),
            "perUrl": per_url,
            "invalidationError": None,
        }


class _Listener(ThreadingHTTPServer):
    def __init__(self, fake: FakeImcaxy) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeImcaxy:
        assert isinstance(self.server, _Listener)
        return self.server.fake

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/latestInvalidation":
            project = parse_qs(parts.query)["projectName"][0]
            self._answer(lambda: self.fake.latest(project))
        elif parts.path.startswith("/invalidations/"):
            self._answer(lambda: self.fake.invalidation(int(parts.path.rpartition("/")[2])))
        else:
            self._send(404, b"<h1>Not Found</h1>")

    def do_DELETE(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.calls.append(body)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, b'{"detail":"The token is not accepted."}')
        else:
            self._answer(lambda: self.fake.invalidate(body))

    def _answer(self, carry_out: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        trouble = self.fake.troubles.pop(0) if self.fake.troubles else None
        if trouble is None:
            status, document = carry_out()
            self._send(status, json.dumps(document).encode())
            return
        if trouble.after:
            carry_out()
        if trouble.status:
            self._send(trouble.status, trouble.body, trouble.fields)
        else:
            self.close_connection = True

    def _send(self, status: int, body: bytes, fields: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *fields):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
