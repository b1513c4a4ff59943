"""What a plan does to pixels, in the child. Nothing is computed until the picture is encoded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pyvips

from imcaxy.errors import MalformedParameter
from imcaxy.processors.vips import colour, watermarks
from imcaxy.processors.vips.geometry import Plan, Size, Turn, Window

Options = Mapping[str, object]

_STRONGEST_BLUR = 1000.0  # pixels of sigma; libvips takes no more
_EXTENDS = ("black", "copy", "mirror", "white", "background")


@dataclass
class Aim:
    """Where the first frame of a picture was interesting: the others are cut there too."""

    corner: tuple[int, int] | None = None  # left, top in pixels


def render(
    image: pyvips.Image, plan: Plan, options: Options, overlay: pyvips.Image | None, aim: Aim
) -> pyvips.Image:
    """The picture that the plan and the options describe, in sRGB or grey.

    Raises MalformedParameter, and Undecodable for a watermark outside the picture.
    """
    background = _background(options)
    extend = str(options.get("extend", "copy"))
    extend = extend if extend in _EXTENDS else "mirror"
    image = _shaped(image, plan, extend)
    image = colour.to_srgb(image)
    if plan.window is not None and plan.window.kind == "smart":
        image = _interesting(image.copy_memory(), plan.window, aim)
    elif plan.window is not None:
        image = _windowed(image, plan.window, extend, background)
    image = _blurred(image, options)
    if options.get("text"):
        image = watermarks.labelled(image, options)
    if overlay is not None:
        image = watermarks.overlaid(image, overlay, options)
    if any(background):
        image = colour.flatten(image, background)
    return colour.to_grey(image) if options.get("colorspace") == "bw" else image


def _shaped(image: pyvips.Image, plan: Plan, extend: str) -> pyvips.Image:
    """The picture turned and with the sides of the plan.

    Turning holds all pixels in memory, so it is done where they are fewest: at the end, unless a
    side grows. Which corner resampling begins at decides single pixels, so it comes first then.
    """
    if plan.repeat > 1:
        image = _turned(image, plan.turn).zoom(plan.repeat, plan.repeat)
        turn = Turn()
    else:
        turn = plan.turn
    if turn.size(image.width, image.height) == plan.scaled:
        return _turned(image, turn)
    pixel, alpha = image.format, image.hasalpha()
    image = image.premultiply() if alpha else image
    image = _averaged(_squared(image, plan.average, turn), plan.average)
    now = turn.size(image.width, image.height)
    if plan.scaled[0] > now[0] or plan.scaled[1] > now[1]:
        image = _resampled(_turned(image, turn), plan.scaled, extend)
        turn = Turn(upright=False)
    else:
        image = _resampled(image, turn.size(*plan.scaled), extend)
    return _turned(_unpremultiplied(image, pixel) if alpha else image, turn)


def _resampled(image: pyvips.Image, sides: Size, extend: str) -> pyvips.Image:
    """The picture with those sides; where one grows, `extend` is what lies beyond its edges."""
    width, height = sides
    across, down = width / image.width, height / image.height
    if (across < 1 and down < 1) or across == down == 1:
        return image.resize(across, vscale=down, gap=0)
    return image.affine(
        [across, 0, 0, down],
        interpolate=pyvips.Interpolate.new("bicubic"),
        oarea=[0, 0, width, height],
        extend=extend,
        premultiplied=True,
    )


def _averaged(image: pyvips.Image, side: int) -> pyvips.Image:
    """The mean of each square of pixels, rounded half up.

    For whole bytes libvips multiplies by a rounded reciprocal, which loses up to half a level
    unless the side is a power of two.
    """
    if side == 1:
        return image
    across, down = min(side, image.width), min(side, image.height)
    if image.format != "uchar" or not side & (side - 1):
        return image.shrink(across, down)
    image = (image.cast("float").shrinkv(down) + 0.5).cast("uchar")
    return (image.cast("float").shrinkh(across) + 0.5).cast("uchar")


def _squared(image: pyvips.Image, average: int, turn: Turn) -> pyvips.Image:
    """The picture cut or stretched to whole squares, so that after turning they begin at 0, 0.

    How many there are is rounded half up; the last one is cut, or filled with its edge.
    """
    if average == 1:
        return image
    width, height = (
        max(math.floor(side / average + 0.5), 1) * average for side in (image.width, image.height)
    )
    far_across, far_down = turn.corner
    left = width - image.width if far_across else 0
    top = height - image.height if far_down else 0
    return image.embed(left, top, width, height, extend="copy")


def _unpremultiplied(image: pyvips.Image, pixel: str) -> pyvips.Image:
    return image.unpremultiply().rint().cast(pixel)


def _turned(image: pyvips.Image, turn: Turn) -> pyvips.Image:
    """The picture turned; its EXIF orientation then says so, and no viewer turns it again."""
    if turn.degrees or turn.flopped:
        image = image.copy_memory()  # rows are needed in another order than they are decoded in
    if turn.degrees:
        image = image.rot(f"d{turn.degrees}")
    if turn.mirrored:
        image = image.fliphor()
    if turn.flopped:
        image = image.flipver()
    if turn.upright and image.get_typeof("orientation"):
        image = image.copy()  # whose metadata may be changed
        image.set("orientation", 1)
    return image


def _windowed(
    image: pyvips.Image, window: Window, extend: str, background: tuple[int, ...]
) -> pyvips.Image:
    if window.kind == "cut":
        return image.crop(window.left, window.top, window.width, window.height)
    image = image.copy_memory()
    options: dict[str, object] = {"extend": extend}
    if extend == "background":
        image = colour.with_room_for(image, background)
        shades = list(background if image.bands > 2 else background[:1])
        # No colour, or black, which Imaginary takes for none: where there is alpha, see-through.
        alpha = [255 if any(background) else 0] if image.hasalpha() else []
        options["background"] = shades + alpha
    return image.embed(window.left, window.top, window.width, window.height, **options)


def _interesting(image: pyvips.Image, window: Window, aim: Aim) -> pyvips.Image:
    if aim.corner is not None:
        return image.crop(*aim.corner, window.width, window.height)
    cut = image.smartcrop(window.width, window.height, interesting="attention")
    aim.corner = -cut.xoffset, -cut.yoffset
    return cut


def _blurred(image: pyvips.Image, options: Options) -> pyvips.Image:
    sigma = options.get("sigma", 0.0)
    if not isinstance(sigma, int | float) or sigma <= 0:
        return image
    if sigma > _STRONGEST_BLUR:
        raise MalformedParameter(value=f"sigma={sigma:g}", accepted="sigma up to 1000")
    if not image.hasalpha():
        return image.gaussblur(sigma)
    return _unpremultiplied(image.premultiply().gaussblur(sigma), image.format)


def _background(options: Options) -> tuple[int, ...]:
    value = options.get("background")
    if isinstance(value, list | tuple) and len(value) >= 3:
        return tuple(int(shade) for shade in value[:3])
    return 0, 0, 0
