"""RFC 9110 §5.6.7."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.server.dates import format_date, parse_date

EXAMPLE = 784111777
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", id="rfc850"),
        pytest.param("Sun Nov  6 08:49:37 1994", id="asctime"),
        pytest.param(" Sun, 06 Nov 1994 08:49:37 GMT\t", id="white-space-around"),
    ],
)
def test_parse_date_each_form_gives_the_same_second(text: Any) -> None:
    assert parse_date(text, NOW) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "784111777",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_parse_date_anything_else_is_no_date(text: Any) -> None:
    assert parse_date(text, NOW) is None


def test_parse_date_two_digit_year_more_than_fifty_years_ahead_is_past() -> None:
    assert format_date(parse_date("Friday, 01-Jan-73 00:00:00 GMT", NOW) or 0)[12:16] == "2073"
    assert format_date(parse_date("Monday, 01-Jan-74 00:00:00 GMT", NOW) or 0)[12:16] == "1974"


@given(st.integers(0, 253402300799))
def test_format_date_is_read_back(seconds: Any) -> None:
    assert parse_date(format_date(seconds), NOW) == seconds
