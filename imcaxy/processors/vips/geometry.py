"""Where every pixel goes: an operation's sizes and offsets, as plain numbers.

The arithmetic is Imaginary's, step by step (its order of rounding decides single pixels), with
its defects in orientation repaired: EXIF 5 to 8 swap the sides before anything is computed, a
mirror asked for is added to the mirror in EXIF, and a turn is never lost.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from imcaxy.errors import (
    MissingParameter,
    OperationUnsupported,
    Undecodable,
    VariantTooLarge,
)

Options = Mapping[str, object]
Size = tuple[int, int]  # width, height in pixels

# fmt: off
OPERATIONS = frozenset({
    "autorotate", "blur", "convert", "crop", "enlarge", "extract", "fit", "flip", "flop", "resize",
    "rotate", "smartcrop", "thumbnail", "watermark", "watermarkimage", "zoom",
})
# fmt: on
_REQUIRED = {  # operation: (how many of the names must be there, names)
    "resize": (1, ("width", "height")),
    "crop": (1, ("width", "height")),
    "smartcrop": (1, ("width", "height")),
    "thumbnail": (1, ("width", "height")),
    "fit": (2, ("width", "height")),
    "enlarge": (2, ("width", "height")),
    "extract": (2, ("areawidth", "areaheight")),
    "zoom": (1, ("factor",)),
    "rotate": (1, ("rotate",)),
    "blur": (1, ("sigma", "minampl")),
    "watermark": (1, ("text",)),
}
_EXIF_TURNS = {  # orientation: clockwise degrees, then whether mirrored left-right
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (90, True),
    6: (90, False),
    7: (270, True),
    8: (270, False),
}
_LOAD_SHRINKS = (8, 4, 2)  # what decoders divide by at almost no cost
_SHRINKING_FORMATS = frozenset({"jpeg", "webp"})
# Pixels; the longest side, by format.
_ENCODER_SIDES = {"jpeg": 65500, "webp": 16383, "avif": 16384, "gif": 65535}


@dataclass(frozen=True, slots=True)
class Turn:
    """Clockwise degrees first, then a left-right and a top-bottom mirror."""

    degrees: int = 0
    mirrored: bool = False
    flopped: bool = False
    upright: bool = True  # the EXIF orientation is used up, or overridden

    def size(self, width: int, height: int) -> Size:
        """The sides after turning; turning again gives the sides before."""
        return (height, width) if self.degrees in (90, 270) else (width, height)

    @property
    def corner(self) -> tuple[bool, bool]:
        """Whether the corner that ends at 0, 0 lay at the right, and whether at the bottom."""
        across = self.degrees in (180, 270)
        down = self.degrees in (90, 180)
        if self.degrees in (90, 270):
            return across != self.flopped, down != self.mirrored
        return across != self.mirrored, down != self.flopped


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the resampled picture that is kept, or the canvas that it is put on."""

    kind: Literal["cut", "pad", "smart"]
    left: int  # pixels; of the cut, or of the picture on its canvas (may be negative)
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the pixels, in this order."""

    shrink: int  # the decoder's own division: 1, 2, 4 or 8
    turn: Turn
    repeat: int  # times that each pixel is repeated in both directions
    average: int  # sides of the squares of pixels that are averaged to one
    scaled: Size  # after turning; the picture is then brought to exactly this
    window: Window | None

    @property
    def size(self) -> Size:
        """The sides of the picture that comes out, in pixels."""
        return (self.window.width, self.window.height) if self.window else self.scaled


@dataclass(frozen=True, slots=True)
class _Wish:
    """The request after the operation's own additions; sides are 0 when not given."""

    width: int
    height: int
    force: bool
    crop: bool
    embed: bool
    enlarge: bool
    gravity: str
    repeat: int
    area: tuple[int, int, int, int] | None  # left, top, width, height


@dataclass(frozen=True, slots=True)
class _Scale:
    """How the sides come to be what they are, and whether anything is resized or cut at all."""

    box: Size  # that the picture is brought into
    loaded: int  # the decoder's division
    average: int
    scaled: Size
    changed: bool


def plan(operation: str, options: Options, stored: Size, orientation: int, kind: str) -> Plan:
    """The plan of one operation on a picture of `stored` sides, that EXIF orientation and format.

    Raises MissingParameter, OperationUnsupported, and Undecodable for an area outside the picture.
    """
    check_required(operation, options)
    if operation == "autorotate":
        turn = turn_of({}, orientation)
        return Plan(1, turn, 1, 1, turn.size(*stored), None)
    own = {operation: True} if operation in ("flip", "flop") else {}
    turn = turn_of({**options, **own}, orientation)
    sides = turn.size(*stored)
    wish = _wish(operation, options, sides)
    scale = _scale(wish, sides, kind)
    window = _window(wish, scale.box, scale.scaled) if scale.changed else None
    return Plan(scale.loaded, turn, wish.repeat, scale.average, scale.scaled, window)


def check_required(operation: str, options: Options) -> None:
    """Raise unless the operation is known and has what it cannot do without (0 is nothing)."""
    if operation not in OPERATIONS:
        raise OperationUnsupported(value=operation, accepted=", ".join(sorted(OPERATIONS)))
    count, names = _REQUIRED.get(operation, (0, ()))
    if sum(1 for name in names if options.get(name)) < count:
        joint = " and " if count == len(names) else " or "
        raise MissingParameter(accepted=joint.join(names))


def check_size(sides: Size, kind: str, max_pixels: int, frames: int = 1) -> None:
    """Raise VariantTooLarge when a picture of these sides may not, or cannot, be written."""
    width, height = sides
    if width * height * frames > max_pixels:
        shown = f"{width}x{height}" if frames == 1 else f"{frames} frames of {width}x{height}"
        raise VariantTooLarge(value=shown, accepted=f"up to {max_pixels} pixels")
    longest = _ENCODER_SIDES.get(kind)
    if longest is not None and max(sides) > longest:
        raise VariantTooLarge(
            f"A picture of type {kind} cannot have a side of more than {longest} pixels.",
            value=f"{width}x{height}",
            accepted=f"sides up to {longest} pixels",
        )


def turn_of(options: Options, orientation: int) -> Turn:
    """How the stored picture is turned: any `rotate` replaces EXIF, mirrors are added to it."""
    asked = _number(options, "rotate")
    if asked > 0:
        degrees, mirrored = min(asked // 90 * 90, 270), False
    elif options.get("norotation"):
        degrees, mirrored = 0, False
    else:
        degrees, mirrored = _EXIF_TURNS.get(orientation, (0, False))
    upright = asked > 0 or not options.get("norotation")
    return Turn(degrees, mirrored != bool(options.get("flip")), bool(options.get("flop")), upright)


def _wish(operation: str, options: Options, sides: Size) -> _Wish:
    width, height = _number(options, "width"), _number(options, "height")
    if operation == "fit":
        # A side below 0, which only pipelines have, is none.
        width, height = _fit_box(sides, width, height) if width and height else (0, 0)
    crop = _crops(operation, options)
    embed = operation in ("resize", "fit") or bool(options.get("embed"))
    enlarge = operation == "enlarge"
    force = bool(options.get("force"))
    if not (force or crop or embed or enlarge or options.get("rotate")):
        force = width > 0 or height > 0
    gravity = "smart" if operation == "smartcrop" else str(options.get("gravity", "centre"))
    return _Wish(
        width,
        height,
        force,
        crop,
        embed,
        enlarge,
        gravity,
        _number(options, "factor") + 1 if operation == "zoom" else 1,
        _area(operation, options),
    )


def _crops(operation: str, options: Options) -> bool:
    if operation in ("crop", "smartcrop"):
        return True
    if operation == "enlarge":
        return not options.get("nocrop")
    if operation == "resize" or (operation == "zoom" and _area(operation, options)):
        return "nocrop" in options and not options["nocrop"]
    return False


def _area(operation: str, options: Options) -> tuple[int, int, int, int] | None:
    left, top = _number(options, "left"), _number(options, "top")
    width, height = _number(options, "areawidth"), _number(options, "areaheight")
    if operation == "zoom" and (left or top):
        if not (width or height):
            raise MissingParameter(accepted="areawidth or areaheight")
        return left, top, width, height
    return (left, top, width, height) if operation == "extract" else None


def _fit_box(sides: Size, width: int, height: int) -> Size:
    if sides[0] * height > sides[1] * width:
        box = width, _at_least_one(width * sides[1] / sides[0])
    else:
        box = _at_least_one(height * sides[0] / sides[1]), height
    # Rounding can leave one side of a tiny picture as it is and lengthen the other.
    return sides if box[0] >= sides[0] and box[1] >= sides[1] else box


def _scale(wish: _Wish, sides: Size, kind: str) -> _Scale:
    factor, width, height = _factor(wish, sides)
    shrink = max(math.floor(factor * 0.75 if factor >= 2 else factor), 1)
    rest = shrink / factor
    if not (wish.enlarge or wish.force) and sides[0] < width and sides[1] < height:
        shrink, rest, (width, height) = 1, 0.0, sides
    now, loaded = sides, 1
    if kind in _SHRINKING_FORMATS and shrink >= 2:
        loaded = next(k for k in _LOAD_SHRINKS if k <= shrink)
        now = _loaded(now[0], loaded, kind), _loaded(now[1], loaded, kind)
        factor = max(factor / loaded, 1.0)
        shrink = math.floor(factor)
        rest = shrink / factor
        if loaded > min(sides):  # decoders would leave nothing of the shorter side
            loaded = 1
    now = now[0] * wish.repeat, now[1] * wish.repeat
    box = width, height
    if not (wish.force or box != sides or wish.area):
        return _Scale(box, loaded, 1, now, changed=False)
    if shrink > 1:
        now = _at_least_one(now[0] / shrink), _at_least_one(now[1] / shrink)
        pick = max if wish.crop else min
        rest = pick(width / now[0], height / now[1])
    if wish.force:
        now = box
    elif rest:
        now = _at_least_one(now[0] * rest), _at_least_one(now[1] * rest)
    return _Scale(box, loaded, shrink, now, changed=True)


def _factor(wish: _Wish, sides: Size) -> tuple[float, int, int]:
    across, down = sides
    width, height = wish.width, wish.height
    if width and height:
        pick = min if wish.crop else max
        return pick(across / width, down / height), width, height
    if wish.crop or not (width or height):
        return 1.0, width or across, height or down
    if width:
        factor = across / width
        return factor, width, _at_least_one(down / factor)
    factor = down / height
    return factor, _at_least_one(across / factor), height


def _window(wish: _Wish, box: Size, scaled: Size) -> Window | None:
    (width, height), (across, down) = box, scaled
    inside = across <= width and down <= height
    if wish.gravity == "smart":
        return None if inside else Window("smart", 0, 0, min(across, width), min(down, height))
    if wish.crop and not wish.force:
        return None if inside else _cut(wish.gravity, box, scaled)
    if wish.embed and not wish.force:
        left, top = int((width - across) / 2), int((height - down) / 2)
        return None if box == scaled else Window("pad", left, top, width, height)
    if wish.area is None:
        return None
    left, top, area_width, area_height = wish.area
    cut = Window("cut", left, top, area_width or width, area_height or height)
    if left + cut.width > across or top + cut.height > down:
        raise Undecodable(
            "The area lies outside the picture.",
            value=f"{cut.width}x{cut.height}+{left}+{top}",
            accepted=f"within {across}x{down}",
        )
    return cut


def _cut(gravity: str, box: Size, scaled: Size) -> Window:
    across, down = scaled[0] - box[0], scaled[1] - box[1]
    left = {"west": 0, "east": across}.get(gravity, (across + 1) // 2)
    top = {"north": 0, "south": down}.get(gravity, (down + 1) // 2)
    return Window("cut", max(left, 0), max(top, 0), min(scaled[0], box[0]), min(scaled[1], box[1]))


def _loaded(side: int, shrink: int, kind: str) -> int:
    """A side as decoders give it back: JPEG rounds down, WebP to the nearest, ties to even."""
    return max(side // shrink if kind == "jpeg" else round(side / shrink), 1)


def _at_least_one(value: float) -> int:
    """Rounded half up; a picture that would vanish keeps one pixel."""
    return max(math.floor(value + 0.5), 1)


def _number(options: Options, name: str) -> int:
    value = options.get(name, 0)
    return max(value, 0) if isinstance(value, int) else 0
