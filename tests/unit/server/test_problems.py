"""RFC 9457, and RFC 9110 §10.2.3 and §15.5.6 for the fields."""

from typing import Any

import orjson
import pytest

from imcaxy.errors import (
    BlobCorrupt,
    ImcaxyError,
    InternalError,
    MalformedParameter,
    Overloaded,
    ProcessorUnavailable,
    SourceFailed,
    SourceMissing,
)
from imcaxy.server.answers import Answer
from imcaxy.server.problems import INTERNAL, LONGEST_VALUE, from_error


def _classes(root: type[ImcaxyError]) -> list[type[ImcaxyError]]:
    return [root, *(found for child in root.__subclasses__() for found in _classes(child))]


def _members(answer: Answer) -> dict[str, Any]:
    (body,) = answer.body
    assert isinstance(body, bytes)
    found: dict[str, Any] = orjson.loads(body)
    return found


@pytest.mark.parametrize("cls", _classes(ImcaxyError), ids=lambda cls: cls.__name__)
def test_every_error_becomes_a_complete_problem(cls: Any) -> None:
    problem = from_error(cls())
    answer = problem.to_answer("id-1")
    members = _members(answer)
    assert set(members) >= {"type", "title", "status", "detail", "instance", "message"}
    assert members["status"] == answer.status
    fields = dict(answer.fields)
    assert fields["Content-Type"] == "application/problem+json"
    assert fields["X-Content-Type-Options"] == "nosniff"
    keep = int(cls.remember) if 400 <= answer.status < 500 else 0
    assert fields["Cache-Control"] == (f"public, max-age={keep}" if keep else "no-store")
    assert ("Retry-After" in fields) == (answer.status in (502, 503, 504))


def test_problem_names_value_accepted_and_when_to_come_again() -> None:
    error = MalformedParameter("width is not a number.", value="x", accepted="0 to 9")
    members = _members(from_error(error).to_answer("id-1"))
    assert members == {
        "type": "/problems/malformed-parameter",
        "title": "A parameter has a value that we cannot read.",
        "status": 400,
        "detail": "width is not a number.",
        "message": "width is not a number.",
        "instance": "id-1",
        "value": "x",
        "accepted": "0 to 9",
    }
    members = _members(from_error(Overloaded(retry_after=1.2)).to_answer("id-1"))
    assert members["retryAfter"] == 2


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Overloaded(), "1"),
        (Overloaded(retry_after=0.1), "1"),
        (Overloaded(retry_after=7.2), "8"),
        (ProcessorUnavailable(), "2"),
        (SourceFailed(), "3"),
    ],
)
def test_retry_after_is_whole_seconds_and_at_least_one(error: Any, seconds: Any) -> None:
    assert dict(from_error(error).to_answer("i").fields)["Retry-After"] == seconds


def test_remembered_4xx_may_be_kept_as_long() -> None:
    assert dict(from_error(SourceMissing()).to_answer("i").fields)["Cache-Control"] == (
        "public, max-age=30"
    )


@pytest.mark.parametrize("error", [BlobCorrupt("/secret/path"), InternalError("3 of 4 bytes")])
def test_internals_are_not_shown(error: Any) -> None:
    assert from_error(error) == INTERNAL


def test_hostile_value_is_cut_and_carried() -> None:
    error = MalformedParameter("no", value="\udc80" + "x" * 5000)
    members = _members(from_error(error).to_answer("i"))
    assert len(members["value"]) == LONGEST_VALUE
