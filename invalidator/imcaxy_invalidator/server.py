"""The server's side of the wire: the last commit of a project, purges, their confirmation."""

import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from imcaxy_invalidator.clock import Clock
from imcaxy_invalidator.errors import Refused, Unreachable
from imcaxy_invalidator.exchange import Answer, ask
from imcaxy_invalidator.paths import shown

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts
POLL = 0.5  # seconds between two questions whether a purge is confirmed
ALL_FILES = "file:/"  # the directory of `file=`, which the server takes for a host
AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Purge:
    """What one call asks for; `commit` is kept as the project's last one together with it."""

    project: str
    commit: str | None
    urls: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    dry_run: bool = False

    def document(self, request: str) -> dict[str, object]:
        """The body of the call."""
        commit = {} if self.commit is None else {"latestCommitHash": self.commit}
        found: dict[str, object] = {
            "projectName": self.project,
            **commit,
            "urls": self.urls,
            "request": request,
        }
        folders = [it for it in self.folders if it != ALL_FILES]
        if folders:
            found["folders"] = folders
        if len(folders) < len(self.folders):
            found["hosts"] = [ALL_FILES.rstrip("/")]
        if self.dry_run:
            found["dryRun"] = True
        return found


@dataclass(slots=True)
class Result:
    """What the server did, as far as it has said so."""

    number: int | None
    removed: int | None  # kept pictures; None where the server has not counted
    per_url: dict[str, int]
    unconfirmed: list[str]
    error: str | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Last:
    """The last purge of a project that had a commit."""

    commit: str
    result: Result


class Server:
    """One Imcaxy. A call that failed is repeated with the same request id, so it counts once."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        seconds: float = 60.0,
        attempts: int = 6,
        clock: Clock | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url, self._token = url.rstrip("/"), token
        self._seconds, self._attempts = seconds, attempts
        self._clock, self._tell = clock or Clock(), tell

    def last(self, project: str) -> Last | None:
        """The project's last purge that had a commit; None before its first.

        Raises Refused, Unreachable.
        """
        query = urlencode({"projectName": project})
        answer = self._call("GET", f"/latestInvalidation?{query}", known={200, 404})
        document = self._document(answer)
        commit = document.get("commitHash")
        if answer.status == 404 or not isinstance(commit, str) or not commit:
            return None
        return Last(commit, _result(document, confirmed=True))

    def purge(self, purge: Purge) -> Result:
        """Have the server forget; returns when it has kept the purge. Raises Refused, Unreachable.

        A server that answers 503 or nothing may have kept it: that is why the id stays the same.
        """
        body = json.dumps(purge.document(str(uuid.uuid4()))).encode()
        answer = self._call("DELETE", "/invalidate", body, known={200, 202})
        return _result(self._document(answer), confirmed=answer.status == 200)

    def wait(self, result: Result, seconds: float) -> None:
        """Ask until every instance has confirmed, for so many seconds; updates the result."""
        end = self._clock.now() + seconds
        while not result.confirmed and result.number is not None and self._clock.now() < end:
            self._clock.sleep(POLL)
            answer = self._call("GET", f"/invalidations/{result.number}", known={200, 202})
            later = _result(self._document(answer), confirmed=answer.status == 200)
            result.unconfirmed, result.error = later.unconfirmed, later.error
            result.confirmed = later.confirmed

    def _call(
        self, method: str, target: str, body: bytes | None = None, *, known: set[int]
    ) -> Answer:
        problem = f"{self._url} was not asked"
        for attempt in range(1, self._attempts + 1):
            try:
                answer = ask(
                    method, self._url + target, self._fields(body), body, seconds=self._seconds
                )
            except Unreachable as error:
                problem, pause = str(error), None
            else:
                if answer.status in known:
                    return answer
                problem = self._problem(answer)
                if answer.status not in AGAIN:
                    raise Refused(problem)
                pause = answer.fields.get("retry-after")
            if attempt < self._attempts:
                self._tell(f"{problem}; attempt {attempt + 1} of {self._attempts} follows")
                self._clock.sleep(_pause(attempt, pause))
        raise Unreachable(problem)

    def _fields(self, body: bytes | None) -> Mapping[str, str]:
        fields = {"Accept": "application/json"}
        if body is not None:
            fields["Content-Type"] = "application/json"
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        return fields

    def _document(self, answer: Answer) -> dict[str, Any]:
        document = answer.document
        if document is None:
            raise Refused(f"{self._url} does not answer as Imcaxy does: is it the right address?")
        return document

    def _problem(self, answer: Answer) -> str:
        """What is wrong, and what to do about it."""
        document = answer.document or {}
        said = document.get("detail") or document.get("message") or document.get("title") or ""
        accepted = document.get("accepted")
        told = f"{self._url} answered {answer.status}" + (f": {shown(str(said))}" if said else "")
        told += f" Accepted: {shown(str(accepted))}." if accepted else ""
        if answer.status == 401:
            hint = "set IMCAXY_INVALIDATOR_TOKEN to the server's token"
            return f"{told} ({'another token is expected' if self._token else hint})"
        if answer.status in {301, 302, 303, 307, 308}:
            return f"{told}; it is at {shown(answer.fields.get('location', 'another address'))}"
        if answer.status == 404 and not document:
            return f"{told}: is this Imcaxy's address?"
        return told


def _pause(attempt: int, asked: str | None) -> float:
    """Seconds until the next attempt: what the server asks for, or twice as long each time."""
    if asked is not None and asked.isdecimal():
        return min(float(asked), LONGEST_PAUSE)
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads jobs, guards nothing
    return min(FIRST_PAUSE * 2.0 ** (attempt - 1) * jitter, LONGEST_PAUSE)


def _result(document: Mapping[str, Any], *, confirmed: bool) -> Result:
    unconfirmed = [str(it) for it in document.get("unconfirmed") or []]
    error = document.get("invalidationError")
    settled = document.get("status") != "pending"
    return Result(
        number=document.get("number"),
        removed=None if document.get("removed") is None else int(document["removed"]),
        per_url={str(url): int(count) for url, count in (document.get("perUrl") or {}).items()},
        unconfirmed=unconfirmed,
        error=None if error is None else str(error),
        confirmed=confirmed and settled and not unconfirmed,
    )
