from urllib.parse import quote

from hypothesis import given

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.parse import parse_image_request
from imcaxy.grammar.rebuild import to_query
from imcaxy.grammar.source import Source
from tests.unit.grammar.queries import URL, requests


def test_query_is_built_from_the_canonical_values_alone() -> None:
    request = ImageRequest(
        "watermark",
        (("color", (1, 2, 3)), ("noreplicate", True), ("opacity", 1e-05), ("text", "a b&c=ż+%")),
        Source("url", URL),
    )
    assert to_query(request) == (
        "color=1%2C2%2C3&noreplicate=true&opacity=1e-05&text=a%20b%26c%3D%C5%BC%2B%25"
    )


def test_query_keeps_a_flag_that_is_false() -> None:
    request = ImageRequest("resize", (("nocrop", False), ("width", 5)), Source("file", "a"))
    assert to_query(request) == "nocrop=false&width=5"


@given(requests())
def test_query_is_read_back_as_the_same_request(drawn: tuple[str, dict[str, str]]) -> None:
    operation, texts = drawn
    query = "&".join(f"{name}={quote(text, safe='')}" for name, text in texts.items())
    source = f"url={quote(URL, safe='')}"
    request = parse_image_request(operation, f"{query}&{source}").request
    assert parse_image_request(operation, f"{to_query(request)}&{source}").request == request
