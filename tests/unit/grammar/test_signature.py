import struct
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.signature import ENCODING, encode, signature
from imcaxy.grammar.source import Source

TEXT = st.text(max_size=5)
VALUES = (
    st.integers(-(10**6), 10**6)
    | st.booleans()
    | st.floats(allow_nan=False)
    | TEXT
    | st.lists(st.integers(0, 255), max_size=3).map(tuple)
)
SOURCES = st.builds(Source, st.sampled_from(["url", "file"]), TEXT)
REQUESTS = st.builds(
    ImageRequest,
    TEXT,
    st.lists(st.tuples(TEXT, VALUES), max_size=4).map(tuple),
    SOURCES,
    st.lists(SOURCES, max_size=2).map(tuple),
)
REQUEST = ImageRequest(
    "resize", (("type", "webp"), ("width", 640)), Source("url", "https://example.com/photo.jpg")
)


def test_signature_is_the_same_in_every_release() -> None:
    assert signature(REQUEST, "vips", "1") == PINNED


def test_signature_depends_on_processor_and_recipe() -> None:
    found = {
        signature(REQUEST, processor, recipe)
        for processor, recipe in [("vips", "1"), ("vips", "2"), ("vips1", ""), ("imaginary", "1")]
    }
    assert len(found) == 4


def test_signature_tells_an_overlay_from_a_source() -> None:
    one, two = Source("url", "http://a/"), Source("url", "http://b/")
    first = ImageRequest("flip", (), one, (two,))
    second = ImageRequest("flip", (), two, (one,))
    assert signature(first, "p", "1") != signature(second, "p", "1")


def test_signature_tells_kinds_of_value_apart() -> None:
    values: list[Any] = [1, True, 1.0, "1", (1,), 0, False, 0.0, "", ()]
    found = {
        signature(ImageRequest("flip", (("a", value),), REQUEST.source), "p", "1")
        for value in values
    }
    assert len(found) == len(values)


def test_signature_of_text_that_is_not_utf8_exists() -> None:
    assert signature(ImageRequest("\udcff", (), Source("file", "\ud800")), "p", "1")


@given(REQUESTS, TEXT, TEXT)
def test_encoding_can_be_decoded_so_no_two_requests_share_one(
    request: ImageRequest, processor: str, recipe: str
) -> None:
    marked, *rest = decode(encode(request, processor, recipe))[0]
    assert marked == ENCODING
    parameters = tuple((name, value) for name, value in request.parameters)
    sources = tuple((source.kind, source.value) for source in request.sources)
    assert repr(tuple(rest)) == repr((processor, recipe, request.operation, parameters, sources))


def decode(encoded: bytes) -> tuple[Any, ...]:
    """Every value that the encoding holds, read back without knowing what was encoded."""
    found: list[Any] = []
    while encoded:
        tag, (length,) = encoded[:1], struct.unpack(">I", encoded[1:5])
        content, encoded = encoded[5 : 5 + length], encoded[5 + length :]
        assert len(content) == length
        found.append(READERS[tag](content))
    return tuple(found)


READERS: dict[bytes, Callable[[bytes], Any]] = {
    b"b": lambda content: content == b"1",
    b"i": int,
    b"f": lambda content: struct.unpack(">d", content)[0],
    b"s": bytes.decode,
    b"l": decode,
}
PINNED = "98a58a65e26be0b2bc3aed96c197524a970b947271beb7fc505667f4d1d2692e"
