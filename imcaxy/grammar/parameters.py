"""Every parameter of Imaginary's API: what its text means and which meanings are one.

A reader gives the value in its normal form, or None where the text counts as not given. It
raises ValueError for text that is malformed.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imcaxy.errors import FormatUnsupported, MalformedParameter
from imcaxy.grammar.image_request import Value
from imcaxy.grammar.numbers import (
    LARGEST,
    bounded,
    parse_bool,
    parse_colour,
    parse_float,
    parse_int,
)
from imcaxy.grammar.text import WHITE_SPACE, is_sound, legible

AUTO = "auto"  # the one spelling of a negotiated `type`
FORMATS = ("jpeg", "png", "webp", "avif", "tiff", "gif", "svg", "pdf", "heif", "jxl")
DEFAULT_QUALITY = 75
LARGEST_SIGMA = 1000.0  # libvips refuses a larger Gaussian
LARGEST_DPI = 65535  # letters of more would be larger than any picture

_GRAVITIES = frozenset({"north", "south", "east", "west", "smart"})
_EXTENDS = frozenset({"black", "copy", "mirror", "white", "background"})
_RATIO = re.compile(r"\+?([0-9]+):\+?([0-9]+)(?::.*)?", re.DOTALL)

Reader = Callable[[str], Value | None]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how its text is read, and what it means when it is not given.

    `number` turns a number of a pipeline's JSON into the value, where one is allowed; `largest` is
    what a number may be at most.
    """

    read: Reader
    accepted: str
    default: Value
    number: Callable[[float], Value] | None = None
    largest: float | None = None


def _integer(
    default: int = 0, normal: Callable[[int], int] = bounded, largest: int = LARGEST
) -> Parameter:
    # JSON numbers are truncated and keep their sign; query text is rounded and loses it.
    return Parameter(
        lambda text: normal(parse_int(text)),
        f"a whole number from 0 to {largest}",
        default,
        lambda number: normal(bounded(int(number))),
        largest,
    )


def _real(largest: float = sys.float_info.max) -> Parameter:
    def limited(number: float) -> float:
        if number > largest:
            raise ValueError("value out of range")
        return number

    accepted = "a number" if largest == sys.float_info.max else f"a number from 0 to {largest:g}"
    return Parameter(lambda text: limited(parse_float(text)), accepted, 0.0, limited, largest)


def _flag() -> Parameter:
    return Parameter(parse_bool, "true or false", False)


def _text(default: str = "") -> Parameter:
    def read(text: str) -> str | None:
        if not is_sound(text):
            raise ValueError("not UTF-8")
        return text or None

    return Parameter(read, "text in UTF-8 without NUL", default)


def _enum(normal: Callable[[str], str | None], default: str) -> Parameter:
    return Parameter(normal, "any text", default)


def _quality(number: int) -> int:
    return number if 1 <= number <= 100 else DEFAULT_QUALITY


def _compression(number: int) -> int:
    return number if 1 <= number <= 9 else 6


def _angle(number: int) -> int:
    # Below a right angle nothing turns, but the EXIF orientation is discarded all the same: 1
    # stands for that, and for negative numbers, which only pipelines have.
    return max(1, min(number // 90 * 90, 270)) if number else 0


def _dpi(number: int) -> int:
    if number > LARGEST_DPI:
        raise ValueError("value out of range")
    return number or 150


def _factor(number: int) -> int:
    if number < 0:  # pipelines only
        raise ValueError("below 0")
    return number


def _gravity(text: str) -> str | None:
    name = text.lower().strip(WHITE_SPACE)
    return name if name in _GRAVITIES else None


def _extend(text: str) -> str:
    name = text.lower().strip(WHITE_SPACE)
    if name == "lastpixel":
        return "background"
    return name if name in _EXTENDS else "mirror"


def _colorspace(text: str) -> str | None:
    return "bw" if text == "bw" else None


def _background(text: str) -> tuple[int, ...] | None:
    # Imaginary drops the connection for one or two items.
    colour = parse_colour(text)
    if len(colour) in {1, 2}:
        raise ValueError("fewer than three items")
    return colour or None


def _color(text: str) -> tuple[int, ...] | None:
    colour = parse_colour(text)
    return colour if len(colour) == 3 else None


def _ratio(text: str) -> tuple[int, ...] | None:
    # Imaginary drops the connection for what is refused here (or would divide by zero).
    trimmed = text.strip(WHITE_SPACE)
    if not trimmed:
        return None
    match = _RATIO.fullmatch(trimmed)
    if match is None:
        raise ValueError("invalid syntax")
    width, height = parse_int(match[1]), parse_int(match[2])
    if not (width and height):
        raise ValueError("zero")
    return (width, height)


def _format(text: str) -> str | None:
    if text in {"", AUTO}:
        return text or None
    name = "jpeg" if text.lower() == "jpg" else text.lower()
    if name not in FORMATS:
        raise FormatUnsupported(
            value=legible(text), accepted=f"{', '.join(FORMATS)}, jpg or {AUTO}"
        )
    return name


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "width": _integer(),
        "height": _integer(),
        "type": _enum(_format, ""),
        "quality": _integer(DEFAULT_QUALITY, _quality),
        "compression": _integer(6, _compression),
        "palette": _flag(),
        "speed": _integer(),
        "interlace": _flag(),
        "stripmeta": _flag(),
        "noprofile": _flag(),
        "norotation": _flag(),
        "rotate": _integer(0, _angle),
        "flip": _flag(),
        "flop": _flag(),
        "force": _flag(),
        "embed": _flag(),
        "extend": _enum(_extend, "copy"),
        "background": Parameter(_background, "three numbers from 0 to 255: R,G,B", (0, 0, 0)),
        "gravity": _enum(_gravity, "centre"),
        "colorspace": _enum(_colorspace, "srgb"),
        "aspectratio": Parameter(_ratio, "two whole numbers from 1, as in 16:9", ()),
        "sigma": _real(LARGEST_SIGMA),
        "minampl": _real(),
        "nocrop": _flag(),
        "top": _integer(),
        "left": _integer(),
        "areawidth": _integer(),
        "areaheight": _integer(),
        "factor": _integer(0, _factor),
        "text": _text(),
        "font": _text("sans 10"),
        "textwidth": _integer(),
        "margin": _integer(),
        "dpi": _integer(150, _dpi, LARGEST_DPI),
        "opacity": _real(),
        "noreplicate": _flag(),
        "color": Parameter(_color, "three numbers from 0 to 255: R,G,B", (0, 0, 0)),
        "image": _text(),
        "operations": _text(),
    }
)


def read_parameters(texts: Mapping[str, str]) -> dict[str, Value]:
    """The values of all known parameters that are given, whichever the operation is.

    Unknown names are left out. Raises MalformedParameter or FormatUnsupported for the first
    value, in the order given, that cannot be read.
    """
    values: dict[str, Value] = {}
    for name, text in texts.items():
        if name in PARAMETERS:
            value = read_text(name, text)
            if value is not None:
                values[name] = value
    return values


def read_text(name: str, text: str) -> Value | None:
    """The value of one known parameter, None when the text counts as not given."""
    parameter = PARAMETERS[name]
    try:
        return parameter.read(text)
    except ValueError as error:
        raise malformed(name, text, str(error)) from None


def malformed(name: str, value: str, cause: str) -> MalformedParameter:
    """The error for a known parameter whose value cannot be read."""
    return MalformedParameter(
        f"The parameter {name} cannot be read: {cause}.",
        value=legible(value),
        accepted=PARAMETERS[name].accepted,
    )
