import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from imcaxy.processors.imaginary.answers import (
    LONGEST_DELAY,
    LONGEST_MESSAGE,
    Announcement,
    FreedTooEarly,
    failure,
    flaw,
    message_of,
    refusal,
    seconds,
)

GOOD = Announcement(
    status=200,
    media_type="image/webp",
    length=10,
    chunked=False,
    encoding="",
    error=None,
    retry_after=None,
)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Error while processing the image: bad seek", Undecodable),
        (400, "Empty or unreadable image", Undecodable),
        (400, "", Undecodable),
        (400, "VipsJpeg: Not a JPEG file: starts with 0x00 0x00", FreedTooEarly),
        (400, "Unsupported output image format", FormatUnsupported),
        (400, "Error while processing the image: Invalid image type: x", FormatUnsupported),
        (400, "Error: Missing required param: height or width", MissingParameter),
        (400, "Error while processing parameters, something", MalformedParameter),
        (400, "Unsupported operation name: x", OperationUnsupported),
        (401, "Invalid or missing API key", ProcessorFailed),
        (403, "URL signature mismatch", ProcessorFailed),
        (404, "Not found", OperationUnsupported),
        (405, "HTTP method not allowed", OperationUnsupported),
        (406, "Unsupported media type", SourceUnsupported),
        (413, "", SourceTooLarge),
        (415, "", SourceUnsupported),
        (422, "Image resolution is too big", SourceTooLarge),
        (429, "", Overloaded),
        (500, "oops", ProcessorFailed),
        (501, "Not implemented endpoint", OperationUnsupported),
        (502, "", ProcessorFailed),
        (503, "", ProcessorUnavailable),
        (504, "", ProcessorTimeout),
        (302, "", ProcessorFailed),
        (204, "", ProcessorFailed),
    ],
)
def test_failure_status_and_message_choose_the_error(
    status: int, message: str, kind: type[ImcaxyError]
) -> None:
    assert type(failure(status, message, None)) is kind


def test_failure_rate_limit_always_says_when_to_try_again() -> None:
    assert failure(429, "", None).retry_after == 1.0
    assert failure(429, "", 7.0).retry_after == 7.0


@pytest.mark.parametrize(
    ("value", "delay"),
    [("7", 7.0), ("Wed, 01 Jan 2025 00:00:00 GMT", None), (None, None), ("-1", None), ("", None)],
)
def test_seconds_only_a_plain_number_is_a_delay(value: str | None, delay: float | None) -> None:
    assert seconds(value) == delay
    assert seconds("9" * 30) == LONGEST_DELAY


def test_refusal_placeholder_is_the_error_that_its_header_tells() -> None:
    told = json.dumps({"message": "Image resolution is too big", "status": 422})
    assert type(refusal(GOOD._replace(error=told), b"")) is SourceTooLarge
    assert type(refusal(GOOD._replace(error=told, status=404), b"{}")) is SourceTooLarge


@pytest.mark.parametrize("header", ["", "something", "[]", '{"status":200}', '{"status":"404"}'])
def test_refusal_unreadable_error_header_is_still_an_error(header: str) -> None:
    assert type(refusal(GOOD._replace(error=header), b"")) is ProcessorFailed


def test_refusal_good_answer_is_none() -> None:
    assert refusal(GOOD, b"") is None


@pytest.mark.parametrize(
    "answer",
    [
        GOOD._replace(media_type="text/html"),
        GOOD._replace(media_type=""),
        GOOD._replace(media_type="image/svg+xml"),
        GOOD._replace(media_type="application/json"),
        GOOD._replace(encoding="gzip"),
        GOOD._replace(length=None),
        GOOD._replace(length=0),
        GOOD._replace(length=101),
    ],
)
def test_flaw_answer_that_cannot_be_kept_is_named(answer: Announcement) -> None:
    assert flaw(GOOD, "resize", 100) is None
    assert flaw(answer, "resize", 100) is not None


def test_flaw_info_is_json_and_chunks_are_framing_enough() -> None:
    json_answer = GOOD._replace(media_type="application/json", length=None, chunked=True)
    assert flaw(json_answer, "info", 100) is None
    assert flaw(GOOD, "info", 100) is not None


@given(
    st.binary(max_size=300) | st.builds(lambda t: json.dumps({"message": t}).encode(), st.text())
)
def test_message_of_any_body_is_short_and_printable(body: bytes) -> None:
    message = message_of(body)
    assert len(message) <= LONGEST_MESSAGE
    assert message.isprintable()
