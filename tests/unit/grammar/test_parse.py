import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import (
    FormatUnsupported,
    ImcaxyError,
    MalformedParameter,
    MissingParameter,
    OperationUnknown,
    SourceMalformed,
    SourceRefused,
)
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.operations import OPERATIONS
from imcaxy.grammar.parameters import PARAMETERS
from imcaxy.grammar.parse import parse_image_request
from imcaxy.grammar.signature import signature
from imcaxy.grammar.source import Source
from tests.unit.grammar.queries import URL, requests

SOURCE = f"url={quote(URL, safe='')}"


def parse(operation: str, query: str) -> ImageRequest:
    return parse_image_request(operation, f"{SOURCE}&{query}").request


def key(operation: str, query: str) -> str:
    return signature(parse(operation, query), "p", "1")


def test_request_is_canonical() -> None:
    assert parse("resize", "width=1e2&type=WEBP&quality=75&foo=1") == ImageRequest(
        "resize", (("type", "webp"), ("width", 100)), Source("url", URL)
    )


def test_request_of_an_unknown_operation_is_unknown_before_anything_else() -> None:
    with pytest.raises(OperationUnknown):
        parse_image_request("nope", "width=x")


@pytest.mark.parametrize("query", ["", "width=1", "url=&file=", "url=%zz", "url=http://a/;b"])
def test_request_without_a_source_is_missing_it(query: str) -> None:
    with pytest.raises(MissingParameter, match="source"):
        parse_image_request("flip", query)


def test_request_with_two_sources_is_malformed() -> None:
    with pytest.raises(MalformedParameter, match="two sources"):
        parse_image_request("flip", "url=http://a/&file=b")


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("url=HTTP://A/b", Source("url", "http://a/b")),
        ("url=http://a/b&url=http://c/d", Source("url", "http://a/b")),
        ("url=http://a/b?c=d%26e=f", Source("url", "http://a/b?c=d&e=f")),
        ("url=http://a/%FF", Source("url", "http://a/%FF")),
        ("file=/a%2520b.jpg", Source("file", "a%20b.jpg")),
        ("url=&file=a+b.jpg", Source("file", "a b.jpg")),
    ],
)
def test_request_names_its_source(query: str, source: Source) -> None:
    assert parse_image_request("flip", query).request.source == source


def test_request_passes_on_errors_of_the_source() -> None:
    with pytest.raises(SourceMalformed):
        parse_image_request("flip", "url=a.jpg")
    with pytest.raises(SourceRefused):
        parse_image_request("flip", "file=../a")


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("width=abc", MalformedParameter),
        ("factor=x", MalformedParameter),
        ("nocrop=maybe", MalformedParameter),
        ("type=bmp", FormatUnsupported),
        ("background=1,2", MalformedParameter),
        ("operations={}", MalformedParameter),
    ],
)
def test_request_with_a_malformed_parameter_fails_whether_it_is_needed_or_not(
    operation: str, query: str, error: type[ImcaxyError]
) -> None:
    sure = "width=1&height=1&type=png&sigma=1&text=a&image=http://a/&rotate=90&areawidth=1"
    sure += "&areaheight=1&factor=1&operations=%5B%7B%22operation%22:%22flip%22%7D%5D"
    assert parse(operation, sure).operation == operation
    with pytest.raises(error):
        parse(operation, f"{query}&{sure}")


def test_request_with_operations_that_are_not_run_needs_them_well_formed_only() -> None:
    assert parse("flip", "operations=%5B%7B%22operation%22:%22nope%22%7D%5D").parameters == ()


def test_request_without_what_the_operation_needs_is_missing_it() -> None:
    with pytest.raises(MissingParameter):
        parse("fit", "width=1")


def test_watermark_image_is_an_overlay_in_canonical_form() -> None:
    request = parse("watermarkimage", "image=HTTPS://Example.ORG&left=5")
    assert request.overlays == (Source("url", "https://example.org/"),)
    assert request.options == {"image": "https://example.org/", "left": 5}


def test_pipeline_overlays_stand_in_the_order_of_the_steps() -> None:
    steps = [
        {"operation": "watermarkImage", "params": {"image": f"http://{name}/"}}
        for name in ("b", "a", "b")
    ]
    request = parse("pipeline", f"width=5&operations={quote(json.dumps(steps))}")
    assert [overlay.value for overlay in request.overlays] == [
        "http://b/",
        "http://a/",
        "http://b/",
    ]
    assert list(request.options) == ["operations"]


@pytest.mark.parametrize(
    ("query", "version"),
    [("", None), ("v=", None), ("v=abc", "abc"), ("v=%FF", "\ufffd"), ("v=a&v=b", "a")],
)
def test_version_is_told_and_is_not_part_of_the_request(query: str, version: str | None) -> None:
    parsed = parse_image_request("flip", f"{SOURCE}&{query}")
    assert parsed.version == version
    assert parsed.request == parse("flip", "")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("width=100&height=50", "height=50&width=100"),
        ("width=100", "width=1e2"),
        ("width=100", "width=0100"),
        ("width=100", "width=-100"),
        ("width=100", "%77idth=%31%300"),
        ("width=100", "width=100&width=200"),
        ("width=100", "width=%zz&width=100"),
        ("width=100", "width=100&unknown=1&v=abc&sign=x&key=y&field=z"),
        ("width=100", "width=100&height=0&quality=75&compression=6&nocrop=true&extend=copy"),
        ("width=100", "width=100&quality=500&rotate=0&flip=false&gravity=centre&colorspace=srgb"),
        ("width=100", "width=100&embed=true&speed=5&text=a&top=4"),
        ("width=100&flip=true", "width=100&flip=T"),
        ("width=100&gravity=north", "width=100&gravity=+NORTH+"),
        ("width=100&type=jpeg", "width=100&type=JPG"),
        ("width=100&type=png", "width=100&type=png&quality=20"),
        ("width=100&background=1,2,3", "width=100&background=+1%2C02,+3,9"),
        ("width=300&aspectratio=16:9", "width=300&height=162"),
        ("width=100&gravity=smart%7Cheight=10", "width=100"),
    ],
)
def test_spellings_of_one_request_share_a_signature(first: str, second: str) -> None:
    assert key("resize", first) == key("resize", second)


@pytest.mark.parametrize(
    ("operation", "first", "second"),
    [
        ("resize", "width=100&gravity=smart%7Cheight=10", "width=100&gravity=smart&height=10"),
        ("watermark", "text=a,b", "text=a&text=b"),
        ("watermark", "text=a%26opacity=1", "text=a&opacity=1"),
        ("watermark", "text=1", "text=01"),
        ("watermark", "text=a&font=b", "text=ab&font="),
        ("resize", "width=1&height=11", "width=11&height=1"),
        ("resize", "width=100&rotate=45", "width=100"),
        ("resize", "width=100", "width=100&nocrop="),
        ("resize", "width=100&extend=odd", "width=100"),
        ("resize", "width=100&type=auto", "width=100"),
    ],
)
def test_different_requests_have_different_signatures(
    operation: str, first: str, second: str
) -> None:
    assert key(operation, first) != key(operation, second)


@given(requests(), st.randoms(use_true_random=False))
def test_order_escapes_repetition_and_unknown_names_change_nothing(
    drawn: tuple[str, dict[str, str]], random: object
) -> None:
    operation, texts = drawn
    pairs = list(texts.items())
    plain = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
    random.shuffle(pairs)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    spelled = "&".join(
        f"{_every_byte(name)}={_every_byte(text)}&zzz=1&{name}=%00x" for name, text in pairs
    )
    assert parse(operation, plain) == parse(operation, spelled)


def _every_byte(text: str) -> str:
    return "".join(f"%{octet:02x}" for octet in text.encode())


def _texts(request: ImageRequest) -> list[str]:
    values: list[Value] = [value for _, value in request.parameters]
    return [value for value in values if isinstance(value, str)]


@given(
    st.sampled_from(sorted(OPERATIONS)) | st.text(max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from([*PARAMETERS, "url", "file", "v"]),
            st.text(st.characters(codec=None), max_size=12)
            | st.sampled_from(["1", "true", "http://a/", "[{}]", "%FF", "%00", "auto", "1:1"]),
        ),
        max_size=8,
    ),
)
def test_any_query_is_read_or_refused_and_what_is_read_is_utf8(
    operation: str, pairs: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{name}={text}" for name, text in pairs)
    shown: list[str | None]
    try:
        parsed = parse_image_request(operation, query)
    except ImcaxyError as error:
        shown = [error.detail, error.value, error.accepted]
    else:
        sources = [source.value for source in parsed.request.sources]
        shown = [*_texts(parsed.request), *sources, parsed.version]
    assert "".join(text or "" for text in shown).encode() is not None
