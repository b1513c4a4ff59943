"""Where our answers differ from Imaginary 1.2.4's on purpose, each under one name.

docs/imaginary-differences.md explains the same names; a test compares the two lists. A difference
excuses a kind of deviation only for the requests that it is about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.parity.asking import Pair
from tests.parity.requests import Parameters, Request
from tests.parity.sources import Source, sources

Kind = Literal["status", "type", "size", "frames", "info", "likeness"]

_TURNED = ("rotate", "flip", "flop")
_SHRUNK_ON_LOAD = ("jpeg", "webp")


@dataclass(frozen=True, slots=True)
class Difference:
    """One decided difference; `quirk` is the number in the specification, or the version's."""

    name: str
    quirk: str
    kinds: tuple[Kind, ...]
    applies: Callable[[Pair], bool]
    floor: float = -1.0  # the similarity that is still asked for


def excuses(pair: Pair, kind: Kind) -> list[Difference]:
    """The differences that are about this request and explain such a deviation."""
    return [each for each in DIFFERENCES if kind in each.kinds and each.applies(pair)]


def _source(pair: Pair) -> Source:
    known = sources().get(pair.request.source)
    return known or Source(pair.request.source, "absent", b"", broken=True)


def _options(request: Request) -> list[Parameters]:
    return [options for _, options in request.steps()]


def _does(request: Request, *operations: str) -> bool:
    return any(operation in operations for operation, _ in request.steps())


def _names(request: Request, *names: str) -> bool:
    return any(
        options.get(name, "").lower() not in _OFF for options in _options(request) for name in names
    )


_OFF = ("", "0", "false", "0.0")


def _says(*texts: str) -> Callable[[Pair], bool]:
    return lambda pair: any(text in pair.theirs.message for text in texts)


def _is_turned(pair: Pair) -> bool:
    """Whether pixels are turned or mirrored, by EXIF or on demand."""
    request = pair.request
    return (
        _source(pair).orientation > 1
        or _does(request, *_TURNED)
        or _names(request, *_TURNED)
        or request.operation == "autorotate"
    )


def _is_photo(pair: Pair) -> bool:
    return _source(pair).format in _SHRUNK_ON_LOAD


def _is_cmyk(pair: Pair) -> bool:
    return "cmyk" in pair.request.source


def _drops_profile(pair: Pair) -> bool:
    wide = ("p3", "shipped", "rocket", "bad-profile")
    named = any(text in pair.request.source for text in wide)
    return named and (_names(pair.request, "stripmeta", "noprofile") or _is_photo(pair))


def _negotiates(pair: Pair) -> bool:
    return any(options.get("type") == "auto" for options in _options(pair.request))


def _asks_for_more(pair: Pair) -> bool:
    more = any(options.get("type", "").lower() in _MORE for options in _options(pair.request))
    return more or _source(pair).format == "gif"


def _is_lossy(pair: Pair) -> bool:
    lossy = pair.ours.media_type in ("image/webp", "image/gif", "image/jpeg")
    return lossy or "one-bit" in pair.request.source


def _is(*names: str) -> Callable[[Pair], bool]:
    return lambda pair: _source(pair).format in names


def _with(*operations: str) -> Callable[[Pair], bool]:
    return lambda pair: _does(pair.request, *operations)


def _fits_turned(pair: Pair) -> bool:
    return _does(pair.request, "fit") and _is_turned(pair)


def _mirrors_twice(pair: Pair) -> bool:
    asked = _does(pair.request, "flip") or _names(pair.request, "flip")
    return asked and _source(pair).orientation in (2, 4, 5, 7)


def _takes_area_of_turned(pair: Pair) -> bool:
    """The area lies outside of what has been turned once more."""
    return _turns_again(pair) and _does(pair.request, "extract")


def _turns_again(pair: Pair) -> bool:
    return _source(pair).orientation > 1 and len(pair.request.steps()) > 1


def _loses_turn(pair: Pair) -> bool:
    from_webp = _source(pair).format == "webp"
    return _is_turned(pair) and (
        from_webp or (_is_photo(pair) and _names(pair.request, "norotation"))
    )


def _is_tiny_fit(pair: Pair) -> bool:
    return _does(pair.request, "fit") and min(_source(pair).width, _source(pair).height) <= 8


def _has_steps(pair: Pair) -> bool:
    return pair.request.operation == "pipeline" and len(pair.request.steps()) > 1


def _damages_text(pair: Pair) -> bool:
    small = min(pair.ours.width, pair.ours.height) <= 200
    grey = any(kind in pair.request.source for kind in ("grey", "one-bit", "16-bit"))
    return _does(pair.request, "watermark") and (small or grey)


def _pads_alpha(pair: Pair) -> bool:
    pads = _names(pair.request, "extend", "embed") or _does(pair.request, "resize")
    return _source(pair).alpha and pads


def _colours_grey(pair: Pair) -> bool:
    return "grey" in pair.request.source and _names(pair.request, "background")


def _loses_buffer(pair: Pair) -> bool:
    nameless = pair.theirs.message.endswith("processing the image: ") and _is_turned(pair)
    return nameless or _says("Not a JPEG file", "unable to parse image")(pair)


def _stamps_once(pair: Pair) -> bool:
    return _does(pair.request, "watermark") and _names(pair.request, "noreplicate")


def _is_checked_first(pair: Pair) -> bool:
    return pair.ours.status in (400, 404) and pair.theirs.status in (400, 404, 406)


def _looks_for_interest(pair: Pair) -> bool:
    smart = any(options.get("gravity") == "smart" for options in _options(pair.request))
    return smart or _does(pair.request, "smartcrop")


def _fails_to_overlay(pair: Pair) -> bool:
    return _does(pair.request, "watermarkimage") and pair.ours.status in (404, 406)


_MORE = ("jpg", "avif", "gif", "heif", "jxl")
_LOOSE = ("palette", "speed", "aspectratio", "background")
_CHANNELS = _says("not one band", "must have 1 or", "vector must have", "bad dimensions")
STATUS: tuple[Kind, ...] = ("status",)
LIKENESS: tuple[Kind, ...] = ("likeness",)
SHAPE: tuple[Kind, ...] = ("size", "likeness")

DIFFERENCES: tuple[Difference, ...] = (
    Difference("avif-input", "§5", ("status", "info"), _is("avif")),
    Difference("drawings", "§5", STATUS, _is("svg", "pdf")),
    Difference("text-anywhere", "Q28", STATUS, lambda it: _with("watermark")(it) and _CHANNELS(it)),
    Difference(
        "overlay-anywhere", "Q28", STATUS, lambda it: _with("watermarkimage")(it) and _CHANNELS(it)
    ),
    Difference("cmyk-background", "Q22", STATUS, lambda it: _is_cmyk(it) and _CHANNELS(it)),
    Difference(
        "narrow-pictures",
        "§7",
        STATUS,
        _says("shrunk to nothing", "bad image dimension", "not set"),
    ),
    Difference("lost-buffer", "Q14", STATUS, _loses_buffer),
    Difference("crash", "Q8", STATUS, lambda it: it.theirs.status == 0 and it.ours.status > 0),
    Difference(
        "failed-steps",
        "Q9",
        ("status", "type", "size", "likeness"),
        lambda it: "ignore_failure" in it.request.options().get("operations", ""),
    ),
    Difference(
        "types-between-steps",
        "Q33",
        STATUS,
        lambda it: _has_steps(it) and _says("Unsupported image output type")(it),
    ),
    Difference("checked-first", "§3", STATUS, _is_checked_first),
    Difference(
        "damaged-sources",
        "§5",
        STATUS,
        lambda it: _source(it).broken and 400 in (it.ours.status, it.theirs.status),
    ),
    Difference("overlay-failures", "§8", STATUS, _fails_to_overlay),
    Difference("too-large", "Q5", STATUS, lambda it: it.ours.status == 422),
    Difference("more-types", "Q26", ("status", "type"), _asks_for_more),
    Difference("type-auto", "§11.2", ("type", "status"), _negotiates),
    Difference(
        "strict-values",
        "Q8",
        STATUS,
        lambda it: any(f"parameter {name}" in it.ours.message for name in _LOOSE),
    ),
    Difference("animations", "§5", ("frames",), lambda it: _source(it).frames > 1),
    Difference("fit-turned", "Q10", SHAPE, _fits_turned),
    Difference("orientation-kept", "Q11", SHAPE, _turns_again),
    Difference("area-of-turned", "Q11", STATUS, _takes_area_of_turned),
    Difference("mirror-twice", "Q12", SHAPE, _mirrors_twice),
    Difference("turn-lost", "Q13", SHAPE, _loses_turn),
    Difference("tiny-fit", "Q19", (*STATUS, *SHAPE), _is_tiny_fit),
    Difference(
        "turned-twice-encoded",
        "Q13",
        LIKENESS,
        lambda it: _is_turned(it) and _is_photo(it),
        floor=0.85,
    ),
    Difference("steps-twice-encoded", "Q17", LIKENESS, _has_steps, floor=0.80),
    Difference("profiles", "Q16", LIKENESS, _drops_profile, floor=0.80),
    Difference("cmyk-black", "Q16", LIKENESS, _is_cmyk, floor=0.40),
    Difference("overlay-holes", "§8", LIKENESS, _with("watermarkimage")),
    Difference("text-on-small", "Q28", LIKENESS, _damages_text),
    Difference("text-grows", "Q28", ("size",), _stamps_once),
    Difference("extend-alpha", "Q22", LIKENESS, _pads_alpha, floor=0.80),
    Difference("grey-background", "Q22", LIKENESS, _colours_grey),
    Difference("alpha-edges", "§10", LIKENESS, lambda it: _source(it).alpha, floor=0.90),
    Difference("tiff-orientation", "libvips", ("info",), _is("tiff")),
    Difference("smart-crop-version", "libvips", LIKENESS, _looks_for_interest, floor=0.10),
    Difference("rounding-version", "libvips", LIKENESS, _is_lossy, floor=0.92),
    Difference(
        "palette-version",
        "libvips",
        LIKENESS,
        lambda it: _names(it.request, "palette"),
        floor=0.85,
    ),
)
