import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.numbers import (
    LARGEST,
    bounded,
    parse_bool,
    parse_colour,
    parse_float,
    parse_int,
    parse_number,
)


# Every row was also given to Go's strconv.ParseFloat.
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("-12.5e-3", -0.0125),
        (".5", 0.5),
        ("5.", 5.0),
        ("+1", 1.0),
        ("0100", 100.0),
        ("1_00", 100.0),
        ("1_0.5_0", 10.5),
        ("1e5_0", 1e50),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("0x64p0", 100.0),
        ("0X1P+2", 4.0),
        ("0x_1p0", 1.0),
        ("0x.8p0", 0.5),
        ("0x1.p0", 1.0),
        ("-0x1.8p1", -3.0),
    ],
)
def test_number_that_go_reads_has_gos_value(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        " 1", "1 ", "1px", "abc", ".", "+", "-", "e5", "1e", "1_", "_1", "1__0", "1_e5", "1e_5",
        "1._5", "0x10", "0xp0", "0b1", "1e400", "-1e400", "0x1p1024", "١٢", "1,5", "--1",
        "inf", "+Inf", "-infinity", "nan", "NaN", "0x_p1", "1\n",
    ],
)  # fmt: skip
def test_number_that_go_or_this_program_refuses_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"syntax|range"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0), ("100", 100), ("-100", 100), ("99.5", 100), ("0.4", 0), ("0100", 100),
        ("1e2", 100), ("1_00", 100), ("0x64p0", 100), ("+100", 100), ("99.4999", 99),
        ("0.5", 1), ("-0.5", 1), (str(LARGEST), LARGEST), (f"{LARGEST}.4", LARGEST),
    ],
)  # fmt: skip
def test_integer_is_absolute_and_rounded_half_up(text: str, number: int) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize("text", [str(LARGEST + 1), f"{LARGEST}.5", str(-2 * LARGEST), "1e300"])
def test_integer_beyond_the_bound_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_int(text)


@pytest.mark.parametrize("number", [LARGEST + 1, -LARGEST - 1])
def test_bound_holds_on_both_sides(number: int) -> None:
    assert bounded(-LARGEST) == -LARGEST
    with pytest.raises(ValueError, match="range"):
        bounded(number)


@pytest.mark.parametrize(("text", "number"), [("", 0.0), ("-1.5", 1.5), ("1e-5", 1e-5)])
def test_float_is_absolute(text: str, number: float) -> None:
    assert parse_float(text) == number


def test_float_has_no_negative_zero() -> None:
    assert math.copysign(1, parse_float("-0")) == 1


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_flag_that_go_reads_as_true_is_true(text: str) -> None:
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["", "0", "f", "F", "FALSE", "false", "False"])
def test_flag_that_go_reads_as_false_or_is_empty_is_false(text: str) -> None:
    assert parse_bool(text) is False


@pytest.mark.parametrize("text", ["yes", "on", "1.1", "tRue", " true", "2", "no"])
def test_flag_in_another_spelling_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="unsupported"):
        parse_bool(text)


# Items were also given to Go's strconv.ParseUint with 8 bits.
@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("", ()),
        ("255,128,0", (255, 128, 0)),
        (" 1 , 2 ,3 ", (1, 2, 3)),
        ("256,1000,99999999999999999999", (255, 255, 255)),
        ("-1,abc,", (0, 0, 0)),
        ("+5,1_0,0x1", (0, 0, 0)),
        ("007,000,0255", (7, 0, 255)),
        ("300x,25x,٣", (255, 0, 0)),
        ("\t1,2,3", (0, 2, 3)),
        ("1", (1,)),
        ("1,2,3,4", (1, 2, 3)),
    ],
)
def test_colour_items_are_read_as_bytes(text: str, colour: tuple[int, ...]) -> None:
    assert parse_colour(text) == colour


@given(st.floats(-LARGEST, LARGEST))
def test_number_of_a_printed_float_is_that_float(number: float) -> None:
    assert parse_number(repr(number)) == number


@given(st.text(st.sampled_from("0123456789_.eEpPxX+-aF ")))
def test_number_of_any_text_is_finite_or_an_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert math.isfinite(parse_number(text))
