from typing import Any

import pytest

from imcaxy.errors import OriginRefused
from imcaxy.server.origins import Origins

LISTED = Origins(
    (" Example.COM ", "*.shop.example", "münchen.example", "https://full.example:8443")
)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "https://example.com",
        "http://EXAMPLE.com:8080",
        " https://example.com ",
        "https://example.com.",
        "https://a.shop.example",
        "https://a.b.shop.example",
        "https://xn--mnchen-3ya.example",
        "https://full.example",
    ],
)
def test_check_listed_or_absent_origin_passes(origin: Any) -> None:
    LISTED.check(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "example.com",
        "https://shop.example",
        "https://evilshop.example",
        "https://example.com.evil.test",
        "https://evil.test/https://example.com",
        "https://example.com@evil.test",
        "https://www.example.com",
        "https://[::1",
        "https://example.com, https://evil.test",
        "https://.",
    ],
)
def test_check_other_origin_is_refused_and_named(origin: Any) -> None:
    with pytest.raises(OriginRefused) as caught:
        LISTED.check(origin)
    assert caught.value.value == origin
    assert LISTED.fields(origin) == []
    assert LISTED.preflight(origin, "GET") == []


def test_check_star_lets_everybody_in() -> None:
    everybody = Origins(("*",))
    everybody.check("null")
    assert everybody.vary == ()
    assert ("Access-Control-Allow-Origin", "*") in everybody.fields(None)


def test_fields_listed_origin_is_echoed_and_varies() -> None:
    assert LISTED.vary == ("Origin",)
    fields = dict(LISTED.fields("https://example.com"))
    assert fields["Access-Control-Allow-Origin"] == "https://example.com"
    assert fields["Timing-Allow-Origin"] == "https://example.com"
    assert LISTED.fields(None) == []


def test_empty_list_refuses_every_page() -> None:
    with pytest.raises(OriginRefused):
        Origins(()).check("https://example.com")
