"""What is sent to an Imaginary server for a request, decided on plain values."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.rebuild import to_query
from imcaxy.sources.base import Original

FORMATS = frozenset(("jpeg", "png", "tiff", "webp"))
# What a picture of a type that the engine reads and cannot write becomes, when no type is named:
# a GIF may have transparency, which a JPEG would lose; photographs in HEIF have none.
_WRITTEN_AS = {"gif": "png", "heif": "jpeg"}


class Ask(NamedTuple):
    """One request to an engine."""

    operation: str
    target: str  # path and query, percent-encoded
    body: bytes | None  # the original; None when the engine fetches it by itself


def posted(request: ImageRequest, original: Original) -> Ask:
    """The request that sends the original along."""
    query = to_query(request)
    if wanted := _type_to_name(request, original.format):
        query = "&".join(filter(None, (query, f"type={wanted}")))
    return Ask(request.operation, _target(request.operation, query), original.body)


def forwarded(request: ImageRequest) -> Ask:
    """The request that has the engine fetch the original."""
    source = f"url={quote(request.source.value, safe='')}"
    query = "&".join(filter(None, (to_query(request), source)))
    return Ask(request.operation, _target(request.operation, query), None)


def fetches(request: ImageRequest) -> bool:
    """Whether the engine can be left to fetch the original of this request.

    Not a file, which it cannot know; and not for `convert` to the source's own type, which the
    engine demands to be named and only somebody who has seen the source can name.
    """
    nameless = request.operation == "convert" and "type" not in request.options
    return request.source.kind == "url" and not nameless


def one_original(request: ImageRequest, originals: Sequence[Original]) -> Original:
    """The original to send along; overlays are never among those."""
    (original,) = (each for each in originals if each.source == request.source)
    return original


def _type_to_name(request: ImageRequest, source: str) -> str:
    """The type that must be told to the engine although the request names none; "" for none."""
    if "type" in request.options or request.operation in ("info", "pipeline"):
        return ""
    if source not in FORMATS:
        return _WRITTEN_AS.get(source, "")
    return source if request.operation == "convert" else ""


def _target(operation: str, query: str) -> str:
    return f"/{operation}?{query}" if query else f"/{operation}"
