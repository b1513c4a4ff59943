"""Numbers, flags and colours, read as Imaginary reads them.

Every function raises ValueError for text that is not of its kind. Go's number syntax is not
Python's: no blanks and only ASCII digits, but hexadecimal floats, and an overflow is an error.
"""

import math
import re

LARGEST = 10**9  # of every integer; the sum of two fits what libvips counts in

_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX = r"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_HEXADECIMAL = re.compile(
    rf"[+-]?0[xX](?:_?{_HEX}\.?(?:{_HEX})?|\.{_HEX})[pP][+-]?{_DIGITS}",
)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"", "0", "f", "F", "FALSE", "false", "False"})
_LEADING_DIGITS = re.compile("[0-9]+")


def parse_number(text: str) -> float:
    """The finite number that the text spells, as Go's strconv.ParseFloat; 0 for empty text.

    `nan` and `inf`, which Go accepts, are refused: no parameter has a use for them.
    """
    if not text:
        return 0.0
    try:
        if _DECIMAL.fullmatch(text):
            number = float(text)
        elif _HEXADECIMAL.fullmatch(text):
            number = float.fromhex(text.replace("_", ""))
        else:
            raise ValueError("invalid syntax")
    except OverflowError:
        raise ValueError("value out of range") from None
    if math.isinf(number):
        raise ValueError("value out of range")
    return number


def parse_int(text: str) -> int:
    """The absolute value of the number, rounded half up; at most `LARGEST`."""
    return bounded(math.floor(abs(parse_number(text)) + 0.5))


def parse_float(text: str) -> float:
    """The absolute value of the number."""
    return abs(parse_number(text))


def bounded(number: int) -> int:
    """The number itself, when it lies between -`LARGEST` and `LARGEST`."""
    if abs(number) > LARGEST:
        raise ValueError("value out of range")
    return number


def parse_bool(text: str) -> bool:
    """The flag that the text spells, as Go's strconv.ParseBool; False for empty text."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("unsupported value")


def parse_colour(text: str) -> tuple[int, ...]:
    """The items of a comma list as bytes: above 255 is 255, what is no number is 0.

    Empty text has no items; more than three are cut to three.
    """
    return tuple(_byte(item.strip(" ")) for item in text.split(",")[:3]) if text else ()


def _byte(item: str) -> int:
    # As strconv.ParseUint with 8 bits: it stops at an overflow before it sees what follows.
    leading = _LEADING_DIGITS.match(item)
    if leading is None:
        return 0
    significant = leading[0].lstrip("0")
    if len(significant) > 3 or int(significant or "0") > 255:
        return 255
    return int(significant or "0") if leading[0] == item else 0
