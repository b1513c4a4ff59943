import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.negotiation import choose_format, negotiate
from imcaxy.grammar.parse import parse_image_request
from imcaxy.grammar.signature import signature
from imcaxy.grammar.source import Source

ALL = ("avif", "webp", "jpeg", "png")

# What clients send, and what they get of all formats and of WebP alone.
CLIENTS = {
    "chrome img": (
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        ("avif", "webp"),
    ),
    "chrome navigation": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
        "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        ("avif", "webp"),
    ),
    "chrome 33 android img": ("image/webp,*/*; q=0.8", ("webp", "webp")),
    "firefox img": (
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        ("avif", "webp"),
    ),
    "firefox 92 img": ("image/avif,image/webp,*/*", ("avif", "webp")),
    "firefox 65 img": ("image/webp,*/*", ("webp", "webp")),
    "firefox 46 img": ("image/png,image/*;q=0.8,*/*;q=0.5", ("jpeg", None)),
    "firefox navigation": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ("jpeg", None),
    ),
    "safari img": (
        "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,"
        "image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        ("avif", "webp"),
    ),
    "safari 14 img": (
        "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
        ("webp", "webp"),
    ),
    "safari 13 img": (
        "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
        ("jpeg", None),
    ),
    "safari navigation": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ("jpeg", None),
    ),
    "edge 17 img": (
        "image/png, image/svg+xml, image/jxr, image/*; q=0.8, */*; q=0.5",
        ("jpeg", None),
    ),
    "ie 11 navigation": ("text/html, application/xhtml+xml, image/jxr, */*", ("jpeg", None)),
    "ie 6 img": ("image/gif, image/x-xbitmap, image/jpeg, image/pjpeg, */*", ("jpeg", None)),
    "java": ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", ("jpeg", None)),
    "curl": ("*/*", ("jpeg", None)),
    "googlebot": ("*/*", ("jpeg", None)),
    "none sent": (None, ("jpeg", None)),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_format_for_a_client_is_one_that_it_names_or_has_always_shown(client: str) -> None:
    accept, (of_all, of_webp) = CLIENTS[client]
    assert choose_format(accept, ALL) == of_all
    assert choose_format(accept, ("webp",)) == of_webp


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", None),
        ("image/webp;q=0", None),
        ("image/webp;q=0.000, */*", "jpeg"),
        ("image/webp;q=0.001", "webp"),
        ("IMAGE/WebP ; Q=1", "webp"),
        ("image/webp;q=0, image/webp", "webp"),
        ("image/webp;level=1;q=0", None),
        ('image/webp;a="x,y;q=0"', "webp"),
        ('image/webp;a=";q=0\\",";q=0', None),
        ('text/html;a="image/webp,image/webp"', None),
        ('text/html;a="unclosed, image/webp', None),
        ("image/webp;q=x", None),
        ("image/webp;q=", None),
        ("image/webp;q=.", None),
        ("image/webp;q=-1", None),
        ("image/webp;q=2", "webp"),
        ("image/webp;q", None),
        ("image/*", "jpeg"),
        ("image/*;q=0, */*", None),
        ("image/jpeg;q=0, image/*", "png"),
        ("image/png;q=0.1, image/jpeg;q=0", "png"),
        ("image/png, image/jpeg;q=0.1", "jpeg"),
        ("image/jpg", None),
        (",,image/webp,,", "webp"),
        ("text/html", None),
    ],
)
def test_format_follows_the_rules_of_accept(accept: str, chosen: str | None) -> None:
    assert choose_format(accept, ("webp", "jpeg", "png")) == chosen


@given(st.text(st.sampled_from('imagewebp/*;,q=0."\\ '), max_size=60))
def test_format_of_any_header_is_one_of_those_offered(accept: str) -> None:
    assert choose_format(accept, ALL) in {*ALL, None}


def request(operation: str, query: str) -> ImageRequest:
    return parse_image_request(operation, f"url=http://a/b.jpg&{query}").request


def test_negotiated_type_shares_the_entry_of_the_type_asked_for_by_name() -> None:
    auto = request("resize", "width=5&type=auto&quality=60&compression=2")
    chosen, vary = negotiate(auto, "image/webp", False, ("webp",), 0)
    assert chosen == request("resize", "width=5&type=webp&quality=60")
    assert vary == ("Accept",)
    assert signature(chosen, "p", "1") == signature(
        request("resize", "type=webp&quality=60&width=5"), "p", "1"
    )


def test_negotiated_type_is_taken_away_when_none_is_allowed() -> None:
    chosen, vary = negotiate(request("convert", "type=auto"), "*/*", False, ("webp",), 0)
    assert chosen == ImageRequest("convert", (), Source("url", "http://a/b.jpg"))
    assert vary == ("Accept",)


def test_request_that_negotiates_nothing_is_the_same() -> None:
    plain = request("resize", "width=5&type=png")
    assert negotiate(plain, "image/webp", True, ("webp",), 0) == (plain, ())


@pytest.mark.parametrize(
    ("query", "quality"),
    [
        ("width=5", 55),
        ("width=5&quality=40", 20),
        ("width=5&quality=10", 1),
        ("width=5&quality=95", None),
        ("width=5&type=avif", 55),
        ("width=5&type=png&palette=true", 55),
    ],
)
def test_save_data_lowers_the_quality(query: str, quality: int | None) -> None:
    chosen, vary = negotiate(request("resize", query), None, True, (), 20)
    assert chosen.options.get("quality") == quality
    assert vary == ("Save-Data",)


def test_save_data_that_is_not_sent_changes_nothing_but_vary() -> None:
    plain = request("resize", "width=5")
    assert negotiate(plain, None, False, (), 20) == (plain, ("Save-Data",))


@pytest.mark.parametrize(
    ("operation", "query"), [("resize", "width=5&type=png"), ("autorotate", ""), ("info", "")]
)
def test_save_data_is_not_consulted_where_there_is_no_quality(operation: str, query: str) -> None:
    plain = request(operation, query)
    assert negotiate(plain, None, True, (), 20) == (plain, ())


def test_save_data_and_accept_are_consulted_together() -> None:
    auto = request("resize", "width=5&type=auto")
    chosen, vary = negotiate(auto, "image/webp", True, ("webp",), 20)
    assert chosen.options == {"quality": 55, "type": "webp", "width": 5}
    assert vary == ("Accept", "Save-Data")


def test_save_data_is_not_consulted_when_the_chosen_format_has_no_quality() -> None:
    auto = request("resize", "width=5&type=auto")
    chosen, vary = negotiate(auto, "image/png", True, ("png",), 20)
    assert chosen.options == {"type": "png", "width": 5}
    assert vary == ("Accept",)
