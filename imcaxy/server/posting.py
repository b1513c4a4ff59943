"""The picture in the body of a POST: the body itself, or the part `file` of a form."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import BodyPartReader, web

from imcaxy.errors import BodyMalformed
from imcaxy.sources.bodies import Body

PART = "file"
_PIECE = 64 * 1024  # bytes
# What aiohttp raises for bodies that end early or are framed wrongly.
_BROKEN = (web.RequestPayloadError, aiohttp.ClientPayloadError, ConnectionError, ValueError)


def body_of(request: web.BaseRequest) -> Body:
    """The picture that the request carries; nothing is read yet.

    As Imaginary: whatever its `Content-Type`, a body is the picture, unless that is a multipart
    type (RFC 7578). Its chunks raise BodyMalformed.
    """
    if request.headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        return Body(request.content_length, _part(request))
    return Body(request.content_length, _raw(request))


async def _raw(request: web.BaseRequest) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except _BROKEN as error:
        raise BodyMalformed("The body of the request breaks off.") from error


async def _part(request: web.BaseRequest) -> AsyncIterator[bytes]:
    found = False
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            if found or not isinstance(part, BodyPartReader) or part.name != PART:
                continue
            found = True
            while piece := await part.read_chunk(_PIECE):
                yield piece
    except _BROKEN as error:
        raise BodyMalformed("The form in the body of the request is damaged.") from error
    if not found:
        raise BodyMalformed(
            "The form in the body of the request has no picture.", accepted=f"a part named {PART}"
        )
