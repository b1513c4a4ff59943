"""Errors as their readers get them: RFC 9457 problem details."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from imcaxy.errors import ImcaxyError, InternalError, SettingsError, StoreError
from imcaxy.server.answers import Answer
from imcaxy.server.headers import HARDENING
from imcaxy.server.origins import Fields

LONGEST_VALUE = 300  # characters of the client's own value that are sent back
LONGEST_DETAIL = 1000  # characters

_LATER = (502, 503, 504)  # answers that say when to come again


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, in public words."""

    status: int
    kind: str  # stable name, the last part of the problem's type
    title: str
    detail: str
    value: str | None = None
    accepted: str | None = None
    retry_after: float | None = None  # seconds
    keep: int = 0  # seconds that clients may remember it
    fields: tuple[tuple[str, str], ...] = ()  # that belong to this status: Allow, Content-Range

    def to_answer(self, request_id: str, *more: Iterable[tuple[str, str]]) -> Answer:
        """The answer that carries it; `more` are fields of the request (Vary, CORS)."""
        body = orjson.dumps(self._members(request_id))
        fields: Fields = [
            ("Content-Type", "application/problem+json"),
            ("Cache-Control", f"public, max-age={self.keep}" if self.keep else "no-store"),
            *self.fields,
            *HARDENING,
        ]
        if self.retry_after is not None:
            fields.append(("Retry-After", str(_whole_seconds(self.retry_after))))
        for group in more:
            fields.extend(group)
        return Answer(self.status, fields, (body,), len(body))

    def _members(self, request_id: str) -> dict[str, str | int]:
        detail = _presentable(self.detail, LONGEST_DETAIL)
        members: dict[str, str | int] = {
            "type": f"/problems/{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "instance": request_id,
            "message": detail,  # what clients of Imaginary read
        }
        if self.value is not None:
            members["value"] = _presentable(self.value, LONGEST_VALUE)
        if self.accepted is not None:
            members["accepted"] = _presentable(self.accepted, LONGEST_DETAIL)
        if self.retry_after is not None:
            members["retryAfter"] = _whole_seconds(self.retry_after)
        return members


def from_error(error: ImcaxyError, factor: float = 1.0) -> Problem:
    """The problem that an error of ours is; internals are not shown.

    A class of 4xx that is remembered may be kept by clients as long, `factor` times its seconds;
    nothing else is kept.
    """
    if isinstance(error, StoreError | SettingsError | InternalError):
        error = InternalError()  # without its detail, which is for the log
    retry_after = error.retry_after
    if retry_after is None and error.status in _LATER:
        retry_after = error.remember * factor or 1.0
    return Problem(
        status=error.status,
        kind=error.kind,
        title=error.title,
        detail=error.detail,
        value=error.value,
        accepted=error.accepted,
        retry_after=retry_after,
        keep=math.floor(error.remember * factor) if 400 <= error.status < 500 else 0,
    )


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _presentable(text: str, longest: int) -> str:
    """Text that JSON can carry, cut with an ellipsis."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.encode("utf-8", "replace").decode()


INTERNAL = from_error(InternalError())
UNSATISFIABLE = Problem(
    416,
    "range-not-satisfiable",
    "No byte of the picture lies in the range.",
    "The requested range begins behind the last byte of the picture.",
)
PRECONDITION_FAILED = Problem(
    412,
    "precondition-failed",
    "The picture is not the one that the request names.",
    "If-Match or If-Unmodified-Since does not hold for the current picture.",
)
BODY_TOO_LARGE = Problem(
    413,
    "body-too-large",
    "The request's body is too large.",
    "The body of the request has more bytes than this route accepts.",
)
TARGET_TOO_LONG = Problem(
    414,
    "target-too-long",
    "The request's target is too long.",
    "The request line has more bytes than this server accepts.",
    accepted="64 KiB",
)
EXPECTATION_FAILED = Problem(
    417,
    "expectation-failed",
    "The request expects something that we cannot do.",
    "The only expectation that this server meets is 100-continue.",
    accepted="100-continue",
)
FIELDS_TOO_LARGE = Problem(
    431,
    "fields-too-large",
    "The request's header fields are too large.",
    "A header field has more bytes, or there are more fields, than this server accepts.",
    accepted="fields of 32 KiB, 128 of them",
)
MALFORMED = Problem(
    400,
    "malformed-request",
    "The request is not HTTP that we can read.",
    "The request line, a header field or the body's framing is malformed.",
)
