"""Pixels to bytes, in the child."""

from collections.abc import Mapping
from typing import Any

import pyvips

from imcaxy.errors import FormatUnsupported
from imcaxy.processors.vips.formats import MEDIA_TYPES

Options = Mapping[str, object]

_SAVERS = {
    "jpeg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "avif": "heifsave_buffer",
    "tiff": "tiffsave_buffer",
    "gif": "gifsave_buffer",
}
_METADATA = ("exif-data", "xmp-data", "iptc-data", "photoshop-data", "orientation")
_QUALITY = 75
_AVIF_QUALITY = 50  # AVIF's own scale; looks like a JPEG of 75
_AVIF_EFFORT = 1  # 0 to 9; 4 costs nine times as much
_COMPRESSION = 6


def written_formats() -> tuple[str, ...]:
    """The formats that this libvips can write."""
    return tuple(sorted(name for name, saver in _SAVERS.items() if _can(saver)))


def output_format(asked: object, source: str, alpha: bool) -> str:
    """The format to write: what was asked, else the source's own, else what loses nothing.

    A source of another format becomes JPEG, or PNG where it has alpha.
    Raises FormatUnsupported.
    """
    if asked:
        if asked not in MEDIA_TYPES:
            raise FormatUnsupported(value=str(asked), accepted=", ".join(sorted(MEDIA_TYPES)))
        return str(asked)
    if source in MEDIA_TYPES and source != "avif":  # which takes seconds: only where it is asked
        return source
    return "png" if alpha else "jpeg"


def encode(image: pyvips.Image, kind: str, options: Options) -> bytes:
    """The picture's file. The same pixels and options give the same bytes."""
    # Asked to keep what is not there, libvips writes EXIF of its own making.
    keep = "all" if any(map(image.get_typeof, _METADATA)) else "none"
    body: bytes = getattr(image, _SAVERS[kind])(keep=keep, **_settings(kind, options))
    return body


def without_metadata(image: pyvips.Image) -> pyvips.Image:
    """The picture without EXIF, XMP, IPTC and the orientation that they tell."""
    image = image.copy()  # whose metadata may be changed
    for name in _METADATA:
        image.remove(name)
    return image


def _settings(kind: str, options: Options) -> dict[str, Any]:
    if kind == "jpeg":
        return {
            "Q": _within(options, "quality", 100, _QUALITY),
            "optimize_coding": True,
            "interlace": bool(options.get("interlace")),
        }
    if kind == "webp":
        return {"Q": _within(options, "quality", 100, _QUALITY)}
    if kind == "avif":
        quality = _avif_quality(_within(options, "quality", 100, _QUALITY))
        return {"compression": "av1", "Q": quality, "effort": _AVIF_EFFORT}
    return _png_settings(options) if kind == "png" else {}


def _png_settings(options: Options) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "compression": _within(options, "compression", 9, _COMPRESSION),
        "interlace": bool(options.get("interlace")),
    }
    if options.get("palette"):
        quality = _within(options, "quality", 100, _QUALITY)
        return settings | {"palette": True, "Q": quality, "effort": 7}
    return settings | {"filter": "paeth"}  # within 2 % of trying them all, in half the time


def _avif_quality(quality: int) -> int:
    """AVIF's own quality for one on JPEG's scale, the same look: 75 becomes 50, 100 stays 100."""
    if quality <= _QUALITY:
        return max(1, round(quality * _AVIF_QUALITY / _QUALITY))
    return round(_AVIF_QUALITY + (quality - _QUALITY) * (100 - _AVIF_QUALITY) / (100 - _QUALITY))


def _within(options: Options, name: str, highest: int, default: int) -> int:
    """An option between 1 and `highest`; anything else is the default, as in Imaginary."""
    value = options.get(name)
    return value if isinstance(value, int) and 1 <= value <= highest else default


def _can(saver: str) -> bool:
    try:
        pyvips.Introspect.get(saver)
    except pyvips.Error:
        return False
    return True
