"""What a plan does to pixels, in the child. Nothing is computed until the picture is encoded."""

from collections.abc import Mapping

import pyvips

from imcaxy.errors import MalformedParameter, Undecodable
from imcaxy.processors.vips import colour
from imcaxy.processors.vips.geometry import Plan, Size, Turn, Window

Options = Mapping[str, object]

_STRONGEST_BLUR = 1000.0  # pixels of sigma; libvips takes no more
_EXTENDS = ("black", "copy", "mirror", "white", "background")


def render(
    image: pyvips.Image, plan: Plan, options: Options, overlay: pyvips.Image | None
) -> pyvips.Image:
    """The picture that the plan and the options describe, in sRGB or grey.

    Raises MalformedParameter, and Undecodable for an overlay outside the picture.
    """
    background = _background(options)
    if plan.scaled[0] * plan.scaled[1] > image.width * image.height:
        image = _scaled(_turned(image, plan.turn), plan.scaled, plan.repeat)
    else:  # turning holds all pixels in memory, so it is done where they are fewest
        image = _scaled(image, plan.turn.size(*plan.scaled), plan.repeat)
        image = _turned(image, plan.turn)
    image = colour.to_srgb(image)
    if plan.window is not None:
        image = _windowed(image, plan.window, str(options.get("extend", "copy")), background)
    image = _blurred(image, options)
    if overlay is not None:
        image = _overlaid(image, overlay, options)
    if any(background):
        image = colour.flatten(image, background)
    return colour.to_grey(image) if options.get("colorspace") == "bw" else image


def _scaled(image: pyvips.Image, sides: Size, repeat: int) -> pyvips.Image:
    """The picture with those sides."""
    if repeat > 1:
        return image.zoom(repeat, repeat)
    width, height = sides
    if (image.width, image.height) == (width, height):
        return image
    across, down = width / image.width, height / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down)
    return _unpremultiplied(image.premultiply().resize(across, vscale=down), image.format)


def _unpremultiplied(image: pyvips.Image, pixel: str) -> pyvips.Image:
    return image.unpremultiply().cast(pixel)


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
    if window.kind == "smart":
        return image.smartcrop(window.width, window.height, interesting="attention")
    options: dict[str, object] = {"extend": extend if extend in _EXTENDS else "mirror"}
    if extend == "background":
        image = colour.with_room_for(image, background)
        shades = list(background if image.bands > 2 else background[:1])
        options["background"] = [*shades, 255] if image.hasalpha() else shades
    return image.embed(window.left, window.top, window.width, window.height, **options)


def _blurred(image: pyvips.Image, options: Options) -> pyvips.Image:
    sigma = options.get("sigma", 0.0)
    if not isinstance(sigma, int | float) or sigma <= 0:
        return image
    if sigma > _STRONGEST_BLUR:
        raise MalformedParameter(value=f"sigma={sigma:g}", accepted="sigma up to 1000")
    if not image.hasalpha():
        return image.gaussblur(sigma)
    return _unpremultiplied(image.premultiply().gaussblur(sigma), image.format)


def _overlaid(image: pyvips.Image, overlay: pyvips.Image, options: Options) -> pyvips.Image:
    """The picture under an sRGB overlay with alpha; without alpha itself if it had none."""
    left, top = _whole(options, "left"), _whole(options, "top")
    if left >= image.width or top >= image.height:
        raise Undecodable(
            "The watermark lies outside the picture.",
            value=f"left={left} top={top}",
            accepted=f"within {image.width}x{image.height}",
        )
    opacity = options.get("opacity", 1.0)
    if isinstance(opacity, int | float) and 0 < opacity < 1:
        overlay = (overlay * [1, 1, 1, opacity]).cast("uchar").copy(interpretation="srgb")
    opaque = not image.hasalpha()
    base = image if image.bands > 2 else image.colourspace("srgb")
    result = base.composite2(overlay, "over", x=left, y=top).cast("uchar")
    return result.extract_band(0, n=3) if opaque else result


def _background(options: Options) -> tuple[int, ...]:
    value = options.get("background")
    if isinstance(value, list | tuple) and len(value) >= 3:
        return tuple(int(shade) for shade in value[:3])
    return 0, 0, 0


def _whole(options: Options, name: str) -> int:
    value = options.get(name, 0)
    return max(value, 0) if isinstance(value, int) else 0
