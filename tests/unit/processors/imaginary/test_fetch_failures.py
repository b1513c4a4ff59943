import pytest

from imcaxy.errors import (
    ImcaxyError,
    MissingParameter,
    ProcessorFailed,
    SourceFailed,
    SourceMalformed,
    SourceMissing,
    SourceRefused,
    SourceTooLarge,
    SourceUnsupported,
    Undecodable,
)
from imcaxy.processors.imaginary.answers import Announcement, refusal
from imcaxy.processors.imaginary.fetch_failures import fetch_failure

FETCHING = "error fetching remote http image"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, f"{FETCHING}: (status=404) (url=http://a/b.jpg)", SourceMissing),
        (410, f"{FETCHING}: (status=410) (url=http://a/b.jpg)", SourceMissing),
        (503, f"{FETCHING}: (status=204) (url=http://a/b.jpg)", SourceFailed),
        (500, f"{FETCHING}: (status=500) (url=http://a/b.jpg)", SourceFailed),
        (422, f"{FETCHING}: (status=422) (url=http://a/b.jpg)", SourceFailed),
        (400, f'{FETCHING}: Get "http://a": dial tcp 10.0.0.1:80: refused', SourceFailed),
        (400, f"{FETCHING} headers: timeout", SourceFailed),
        (400, "unexpected EOF", SourceFailed),
        (400, "Invalid image URL", SourceMalformed),
        (400, "Unvalid image URL", SourceMalformed),
        (400, "not allowed remote URL origin: a.example/b", SourceRefused),
        (400, "Content-Length 9 exceeds maximum allowed 8 bytes", SourceTooLarge),
        (
            400,
            "Error while processing the image: Unable to retrieve watermark image. http://a/b",
            SourceFailed,
        ),
        (405, "GET method not allowed. Make sure remote URL source is enabled", ProcessorFailed),
    ],
)
def test_fetch_failure_is_the_sources_and_tells_no_address(
    status: int, message: str, kind: type[ImcaxyError]
) -> None:
    error = fetch_failure(status, message)
    assert type(error) is kind
    assert "http://" not in error.detail
    assert "10.0.0.1" not in error.detail


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Error while processing the image: bad seek", Undecodable),
        (400, "Error while processing the image: Missing required param: type", MissingParameter),
        (406, "Unsupported media type", SourceUnsupported),
    ],
)
def test_refusal_of_what_was_fetched_is_read_as_always(
    status: int, message: str, kind: type[ImcaxyError]
) -> None:
    answer = Announcement(status, "application/json", 9, False, "", None, None)
    body = f'{{"message":"{message}"}}'.encode()
    assert type(refusal(answer, body, fetched=True)) is kind


def test_refusal_of_what_was_sent_along_is_never_the_fetchings() -> None:
    answer = Announcement(400, "application/json", 9, False, "", None, None)
    assert type(refusal(answer, b'{"message":"unexpected EOF"}')) is Undecodable
