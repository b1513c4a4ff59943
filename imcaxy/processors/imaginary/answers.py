"""What an answer of Imaginary means, decided on plain values."""

import json
from typing import NamedTuple

from imcaxy.errors import (
    FormatUnsupported,
    ImcaxyError,
    MalformedParameter,
    MissingParameter,
    OperationUnsupported,
    Overloaded,
    ProcessorFailed,
    ProcessorTimeout,
    ProcessorUnavailable,
    SourceTooLarge,
    SourceUnsupported,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.processors.imaginary.fetch_failures import fetch_failure

LONGEST_MESSAGE = 200  # characters of an engine's message that are passed on
LONGEST_DELAY = 3600.0  # seconds; a larger Retry-After is taken for a mistake

# Parts of the engine's 400 messages that are about the request, not about the picture's bytes.
_ABOUT_THE_REQUEST: tuple[tuple[str, type[ImcaxyError]], ...] = (
    ("missing required param", MissingParameter),
    ("error while processing parameter", MalformedParameter),
    ("unsupported output image", FormatUnsupported),
    ("invalid image type", FormatUnsupported),
    ("unsupported operation name", OperationUnsupported),
    ("invalid pipeline operations", MalformedParameter),
    ("invalid or missing params", ProcessorFailed),
)

_BY_STATUS: dict[int, type[ImcaxyError]] = {
    404: OperationUnsupported,
    405: OperationUnsupported,
    501: OperationUnsupported,
    406: SourceUnsupported,
    415: SourceUnsupported,
    413: SourceTooLarge,
    422: SourceTooLarge,
    504: ProcessorTimeout,
}


class FreedTooEarly(Undecodable):
    """The engine's random refusal of a good rotated JPEG, which a second try cures."""


class Announcement(NamedTuple):
    """The status line and the headers of an answer, as far as they decide."""

    status: int
    media_type: str  # lower case, without parameters
    length: int | None  # bytes; None when not announced
    chunked: bool
    encoding: str  # Content-Encoding, lower case
    error: str | None  # value of the `Error` header, which marks a placeholder
    retry_after: str | None


def media_type(value: str) -> str:
    """A Content-Type value in lower case and without its parameters."""
    return value.partition(";")[0].strip().lower()


def refusal(answer: Announcement, body: bytes, *, fetched: bool = False) -> ImcaxyError | None:
    """The error that an answer stands for, None when it announces a picture.

    `body` is the start of an answer whose status is not 200; it is not read otherwise. `fetched`
    says that the engine was left to fetch the source.
    """
    if answer.error is not None:
        # A placeholder hides the true status, which its header repeats.
        status, told, delay = _status_of(answer.error) or 502, answer.error.encode(), None
    elif answer.status != 200:
        status, told, delay = answer.status, body, seconds(answer.retry_after)
    else:
        return None
    message = message_of(told)
    return (fetch_failure(status, message) if fetched else None) or failure(status, message, delay)


def flaw(answer: Announcement, operation: str, max_bytes: int) -> ImcaxyError | None:
    """Why a 200 cannot be kept or passed on, None when its body may be read.

    A body that only the end of the connection ends cannot be told from a truncated one
    (RFC 9112 section 6.3), and Imaginary always announces a length: it is refused.
    """
    if operation == "info":
        declared = answer.media_type == "application/json"
    else:
        declared = answer.media_type.startswith("image/") and "svg" not in answer.media_type
    if not declared:
        return ProcessorFailed(
            "The picture's maker answered with another type than the operation has.",
            value=answer.media_type or "no type",
            accepted="application/json" if operation == "info" else "image/*",
        )
    if answer.encoding not in ("", "identity"):
        return ProcessorFailed(
            "The picture's maker answered with an encoded body.",
            value=answer.encoding,
            accepted="identity",
        )
    if answer.length is None and not answer.chunked:
        return ProcessorFailed("The picture's maker announced no end of its answer.")
    if answer.length == 0:
        return ProcessorFailed("The picture's maker answered with nothing.")
    if answer.length is not None and answer.length > max_bytes:
        return too_large(answer.length, max_bytes)
    return None


def too_large(length: int, max_bytes: int) -> VariantTooLarge:
    """The error for a picture of `length` bytes or more."""
    return VariantTooLarge(value=f"{length} bytes", accepted=f"at most {max_bytes} bytes")


def failure(status: int, message: str, retry_after: float | None) -> ImcaxyError:
    """The error for a status other than 200; 400 is about the original or the request."""
    if status == 400:
        return _bad_request(message)
    if (kind := _BY_STATUS.get(status)) is not None:
        return kind(_told(message))
    if status == 429:
        return Overloaded("The picture's maker is at its limit.", retry_after=retry_after or 1.0)
    if status == 503:
        return ProcessorUnavailable(
            "The picture's maker cannot work at the moment.", retry_after=retry_after
        )
    return ProcessorFailed(f"The picture's maker answered with status {status}.")


def message_of(body: bytes) -> str:
    """The `message` of an error's JSON body in one short printable line; "" when it has none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    text = document.get("message") if isinstance(document, dict) else None
    if not isinstance(text, str):
        return ""
    printable = "".join(mark for mark in text if mark.isprintable())
    return printable[:LONGEST_MESSAGE]


def seconds(value: str | None) -> float | None:
    """The delay of a Retry-After header in seconds; None for a date, which is not relied upon."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return min(float(value), LONGEST_DELAY)


def _bad_request(message: str) -> ImcaxyError:
    if "not a jpeg file" in message.lower():
        return FreedTooEarly(_told(message))
    for part, kind in _ABOUT_THE_REQUEST:
        if part in message.lower():
            return kind(_told(message))
    return Undecodable(_told(message))


def _told(message: str) -> str:
    return f"The picture's maker answered: {message}" if message else ""


def _status_of(header: str) -> int | None:
    try:
        document = json.loads(header)
    except ValueError:
        return None
    status = document.get("status") if isinstance(document, dict) else None
    return status if isinstance(status, int) and 400 <= status <= 599 else None
