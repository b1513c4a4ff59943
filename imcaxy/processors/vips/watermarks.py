"""What is drawn on a picture, in the child: another picture, or text."""

from collections.abc import Mapping

import pyvips

from imcaxy.errors import MalformedParameter, Undecodable

Options = Mapping[str, object]

_OFFSET = 100  # pixels from the corner of a tile to its text
_FONT = "sans 10"
_DPI = 150
_TEXT_OPACITY = 0.25
_WIDEST = 1_000_000  # pixels that a line may have before it is wrapped


def overlaid(image: pyvips.Image, overlay: pyvips.Image, options: Options) -> pyvips.Image:
    """The picture under an sRGB overlay with alpha; without alpha itself if it had none.

    Raises Undecodable for an overlay that lies outside.
    """
    left, top = _whole(options, "left"), _whole(options, "top")
    if left >= image.width or top >= image.height:
        raise Undecodable(
            "The watermark lies outside the picture.",
            value=f"left={left} top={top}",
            accepted=f"within {image.width}x{image.height}",
        )
    opacity = options.get("opacity")
    if isinstance(opacity, int | float) and opacity > 0:
        alpha = (overlay[3] * opacity).cast("uchar")  # above 1 it hardens soft edges
        overlay = overlay[:3].bandjoin(alpha).copy(interpretation="srgb")
    return _composed(image, overlay, left, top)


def labelled(image: pyvips.Image, options: Options) -> pyvips.Image:
    """The picture with `text` repeated all over it, or once with `noreplicate`.

    Raises MalformedParameter for markup that Pango cannot read.
    """
    mask = _mask(image, options)
    across, down = -(-image.width // mask.width), -(-image.height // mask.height)
    if not options.get("noreplicate"):
        mask = mask.replicate(across, down)
    width, height = min(mask.width, image.width), min(mask.height, image.height)
    mask = mask.crop(0, 0, width, height)
    paint = (mask.new_from_image(_colour(options))).cast("uchar").copy(interpretation="srgb")
    return _composed(image, paint.bandjoin(mask), 0, 0)


def _mask(image: pyvips.Image, options: Options) -> pyvips.Image:
    """One tile: how much of the colour each of its pixels takes."""
    wrap = min(_whole(options, "textwidth"), _WIDEST) or max(image.width // 6, 1)
    margin = min(_whole(options, "margin") or wrap, max(image.width, image.height))
    try:
        text = pyvips.Image.text(
            str(options.get("text", "")),
            width=wrap,
            dpi=_whole(options, "dpi") or _DPI,
            font=str(options.get("font") or _FONT),
        )
    except pyvips.Error as error:
        raise MalformedParameter(
            "The text cannot be drawn.",
            value=str(options.get("text", "")),
            accepted="Pango markup that shows something, with & < > written as &amp; &lt; &gt;",
        ) from error
    opacity = options.get("opacity", _TEXT_OPACITY)
    text = (text * (opacity if isinstance(opacity, int | float) else _TEXT_OPACITY)).cast("uchar")
    width, height = text.width + margin, text.height + margin
    left = _offset(width, text.width, image.width, margin)
    top = _offset(height, text.height, image.height, margin)
    return text.embed(left, top, width, height)


def _offset(tile: int, text: int, side: int, margin: int) -> int:
    """Imaginary's offset wherever the text then shows; nearer where it would refuse or hide it."""
    if tile > _OFFSET and side > _OFFSET:
        return _OFFSET
    return min(margin, max(side - text, 0) // 2, _OFFSET)


def _composed(image: pyvips.Image, layer: pyvips.Image, left: int, top: int) -> pyvips.Image:
    base = image if image.bands > 2 else image.colourspace("srgb")
    result = base.composite2(layer, "over", x=left, y=top).cast("uchar")
    return result if image.hasalpha() else result.extract_band(0, n=3)


def _colour(options: Options) -> list[int]:
    value = options.get("color")
    if isinstance(value, list | tuple) and len(value) >= 3:
        return [int(shade) for shade in value[:3]]
    return [0, 0, 0]


def _whole(options: Options, name: str) -> int:
    value = options.get(name, 0)
    return max(value, 0) if isinstance(value, int) else 0
