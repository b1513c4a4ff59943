"""What an Imaginary that fetches sources says of those that it could not have."""

import re

from imcaxy.errors import (
    ImcaxyError,
    ProcessorFailed,
    SourceFailed,
    SourceMalformed,
    SourceMissing,
    SourceRefused,
    SourceTooLarge,
)

_FETCHING = "error fetching remote http image"
_ORIGIN_STATUS = re.compile(r"\(status=([0-9]{3})\)")
_BY_MESSAGE: tuple[tuple[str, ImcaxyError], ...] = (
    ("invalid image url", SourceMalformed()),
    ("unvalid image url", SourceMalformed()),  # spelled so up to 1.2.4
    (
        "not allowed remote url origin",
        SourceRefused(accepted="an origin that the picture's maker was started with"),
    ),
    ("exceeds maximum allowed", SourceTooLarge()),
    ("watermark image", SourceFailed("The overlay could not be fetched.")),
)


def fetch_failure(status: int, message: str) -> ImcaxyError | None:
    """The error of a source that the engine tried to fetch; None for what is no fetching's fault.

    Its message names addresses, so nothing of it is passed on. A 400 of which the cause is not
    known counts as the source's: it may be gone a moment later.
    """
    text = message.lower()
    if status == 405:
        return ProcessorFailed("The picture's maker was started without -enable-url-source.")
    for part, error in _BY_MESSAGE:
        if part in text:
            return error.again()
    if text.startswith(_FETCHING):
        told = _ORIGIN_STATUS.search(text)
        return _origin_answered(int(told[1])) if told else SourceFailed()
    if status == 400 and not text.startswith("error while processing"):
        return SourceFailed()
    return None


def _origin_answered(status: int) -> ImcaxyError:
    if status in (404, 410):
        return SourceMissing(f"The source's server answered {status}.")
    return SourceFailed(f"The source's server answered {status}.", accepted="status 200")
