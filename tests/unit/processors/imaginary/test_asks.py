import hashlib

import pytest

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.parse import parse_image_request
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.processors.imaginary.asks import fetches, forwarded, posted
from imcaxy.sources.base import Original

PLACE = Source("url", "http://pictures.example/a photo.png?x=1&y=ü")
FILE = Source("file", "photo.png")


def original(format_: str) -> Original:
    digest = hashlib.sha256(b"bytes").hexdigest()
    return Original(PLACE, b"bytes", format_, 8, 8, 1, digest, LOG_START)


def test_posted_has_the_canonical_query_and_the_bytes() -> None:
    ask = posted(ImageRequest("resize", (("nocrop", False), ("width", 9)), PLACE), original("png"))
    assert ask == ("resize", "/resize?nocrop=false&width=9", b"bytes")


@pytest.mark.parametrize(
    ("operation", "parameters", "format_", "query"),
    [
        ("convert", (), "webp", "?type=webp"),
        ("convert", (), "gif", "?type=png"),
        ("convert", (("type", "tiff"),), "png", "?type=tiff"),
        ("resize", (("width", 9),), "gif", "?width=9&type=png"),
        ("resize", (("width", 9),), "heif", "?width=9&type=jpeg"),
        ("resize", (("width", 9),), "avif", "?width=9"),  # the engine cannot read it
        ("resize", (("width", 9),), "jpeg", "?width=9"),
        ("info", (), "gif", ""),
        ("pipeline", (("operations", "[]"),), "gif", "?operations=%5B%5D"),
    ],
)
def test_posted_names_the_type_where_the_engine_wants_it(
    operation: str, parameters: tuple[tuple[str, str | int]], format_: str, query: str
) -> None:
    ask = posted(ImageRequest(operation, parameters, PLACE), original(format_))
    assert ask.target == f"/{operation}{query}"


def test_forwarded_escapes_the_source() -> None:
    ask = forwarded(ImageRequest("resize", (("width", 9),), PLACE))
    url = "http%3A%2F%2Fpictures.example%2Fa%20photo.png%3Fx%3D1%26y%3D%C3%BC"
    assert ask == ("resize", f"/resize?width=9&url={url}", None)
    assert forwarded(ImageRequest("info", (), PLACE)).target == f"/info?url={url}"


def test_forwarded_is_read_back_as_the_same_request() -> None:
    query = f"width=9&gravity=smart&url=http://a.example/{'p' * 1900}.png"
    request = parse_image_request("crop", query).request
    _, _, sent = forwarded(request).target.partition("?")
    assert parse_image_request("crop", sent).request == request


def test_fetches_neither_files_nor_what_needs_the_sources_type() -> None:
    assert fetches(ImageRequest("resize", (("width", 9),), PLACE))
    assert fetches(ImageRequest("convert", (("type", "png"),), PLACE))
    assert not fetches(ImageRequest("convert", (), PLACE))
    assert not fetches(ImageRequest("resize", (("width", 9),), FILE))
