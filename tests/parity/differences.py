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


def _is_lossy(pair: Pair) -> bool:
    return pair.ours.media_type in ("image/webp", "image/gif", "image/jpeg")


DIFFERENCES: tuple[Difference, ...] = (
    # What Imaginary refuses or cannot do.
    Difference("avif-input", "§5", ("status", "info"), lambda pair: _source(pair).format == "avif"),
    Difference("drawings", "§5", ("status",), lambda pair: _source(pair).format in ("svg", "pdf")),
    Difference(
        "text-anywhere",
        "Q28",
        ("status",),
        lambda pair: (
            _does(pair.request, "watermark")
            and _says("bad dimensions", "not one band", "must have 1 or")(pair)
        ),
    ),
    Difference(
        "overlay-anywhere",
        "Q28",
        ("status",),
        lambda pair: (
            _does(pair.request, "watermarkimage") and _says("not one band", "must have 1 or")(pair)
        ),
    ),
    Difference(
        "cmyk-background",
        "Q22",
        ("status",),
        lambda pair: _is_cmyk(pair) and _says("vector must have")(pair),
    ),
    Difference(
        "narrow-pictures", "§7", ("status",), _says("shrunk to nothing", "bad image dimensions")
    ),
    Difference(
        "lost-buffer",
        "Q14",
        ("status",),
        _says("Not a JPEG file", "unable to parse image", "Corrupt", "premature end"),
    ),
    Difference("crash", "Q8", ("status",), lambda pair: pair.theirs.status == 0),
    Difference(
        "failed-steps",
        "Q9",
        ("status", "type", "size", "likeness"),
        lambda pair: '"ignore_failure"' in pair.request.options().get("operations", ""),
    ),
    Difference(
        "types-between-steps",
        "Q33",
        ("status",),
        lambda pair: (
            pair.request.operation == "pipeline" and _says("Unsupported image output type")(pair)
        ),
    ),
    # What is checked when, and what a failure is called.
    Difference(
        "checked-first",
        "§3",
        ("status",),
        lambda pair: (
            pair.ours.status in (400, 404)
            and pair.theirs.status in (400, 404, 406)
            and _source(pair).broken
        ),
    ),
    Difference(
        "damaged-sources",
        "§5",
        ("status",),
        lambda pair: _source(pair).broken and pair.ours.status == 400,
    ),
    Difference(
        "overlay-failures",
        "§8",
        ("status",),
        lambda pair: (
            _does(pair.request, "watermarkimage")
            and pair.theirs.status == 400
            and pair.ours.status in (404, 406)
        ),
    ),
    Difference("too-large", "Q5", ("status",), lambda pair: pair.ours.status == 422),
    Difference("type-auto", "§11.2", ("type", "status"), _negotiates),
    # Pictures that come out another way.
    Difference("animations", "§5", ("frames",), lambda pair: _source(pair).frames > 1),
    Difference(
        "fit-turned",
        "Q10",
        ("size", "likeness"),
        lambda pair: _does(pair.request, "fit") and _is_turned(pair),
    ),
    Difference(
        "orientation-kept",
        "Q11",
        ("size", "likeness"),
        lambda pair: _source(pair).orientation > 1 and len(pair.request.steps()) > 1,
    ),
    Difference(
        "mirror-twice",
        "Q12",
        ("likeness", "size"),
        lambda pair: (
            _source(pair).orientation in (2, 4, 5, 7)
            and (_does(pair.request, "flip") or _names(pair.request, "flip"))
        ),
    ),
    Difference(
        "turn-lost",
        "Q13",
        ("size", "likeness"),
        lambda pair: _is_turned(pair) and _source(pair).format == "webp",
    ),
    Difference(
        "turn-lost-jpeg",
        "Q13",
        ("size", "likeness"),
        lambda pair: _is_turned(pair) and _is_photo(pair) and _names(pair.request, "norotation"),
    ),
    Difference(
        "one-pixel-fit",
        "Q10",
        ("size", "likeness"),
        lambda pair: (
            _does(pair.request, "fit") and min(_source(pair).width, _source(pair).height) <= 8
        ),
    ),
    Difference(
        "turned-twice-encoded",
        "Q13",
        ("likeness",),
        lambda pair: _is_turned(pair) and _is_photo(pair),
        floor=0.85,
    ),
    Difference(
        "steps-twice-encoded",
        "Q17",
        ("likeness",),
        lambda pair: pair.request.operation == "pipeline" and len(pair.request.steps()) > 1,
        floor=0.80,
    ),
    Difference("profiles", "Q16", ("likeness",), _drops_profile, floor=0.80),
    Difference("cmyk-black", "Q16", ("likeness",), _is_cmyk, floor=0.60),
    Difference(
        "overlay-holes", "§8", ("likeness",), lambda pair: _does(pair.request, "watermarkimage")
    ),
    Difference(
        "text-on-small",
        "Q28",
        ("likeness",),
        lambda pair: (
            _does(pair.request, "watermark") and min(pair.ours.width, pair.ours.height) <= 200
        ),
    ),
    Difference(
        "extend-alpha",
        "Q22",
        ("likeness",),
        lambda pair: (
            _source(pair).alpha
            and (_names(pair.request, "extend", "embed") or _does(pair.request, "resize"))
        ),
    ),
    Difference("alpha-edges", "§10", ("likeness",), lambda pair: _source(pair).alpha, floor=0.90),
    Difference("info-of-16-bit", "§12", ("info",), lambda pair: "16-bit" in pair.request.source),
    # Versions: Imaginary 1.2.4 is built against libvips 8.14, ours is 8.18.
    Difference(
        "smart-crop-version",
        "libvips",
        ("likeness",),
        lambda pair: _does(pair.request, "smartcrop") or _names_smart(pair.request),
        floor=0.30,
    ),
    Difference("rounding-version", "libvips", ("likeness",), _is_lossy, floor=0.92),
    Difference(
        "palette-version",
        "libvips",
        ("likeness",),
        lambda pair: _names(pair.request, "palette"),
        floor=0.90,
    ),
)


def _names_smart(request: Request) -> bool:
    return any(options.get("gravity") == "smart" for options in _options(request))
