"""The originals that both servers are asked about: of every kind, whole, odd and broken."""

import functools
import struct
from dataclasses import dataclass, field

import pyvips

from tests.corpus import corpus, photo, sample

OVERLAYS = ("overlay-alpha", "overlay-opaque", "overlay-grey", "text", "absent")
_LEFT_OUT = ("jpeg-24-megapixels", "png-bomb")  # they would measure patience, not likeness


@dataclass(frozen=True, slots=True)
class Source:
    """One original under the name that its URL ends with."""

    name: str
    format: str  # by magic bytes; what it really is for what is no picture
    body: bytes = field(repr=False)
    orientation: int = 1
    alpha: bool = False
    broken: bool = False  # cut off, scrambled or no picture at all
    frames: int = 1
    width: int = 0  # pixels, as stored; 0 when it has no size
    height: int = 0


@functools.cache
def sources() -> dict[str, Source]:
    """Every original by name."""
    found = [
        Source(
            item.name,
            item.format,
            item.body,
            item.orientation,
            item.alpha,
            bool(item.broken),
            3 if item.name.endswith("-animated") else 1,
            item.width,
            item.height,
        )
        for item in corpus()
        if item.name not in _LEFT_OUT
    ]
    made = [*_narrow(), *_deep(), *_turned(), *_overlays(), *_strangers()]
    return {item.name: item for item in [*found, *made]}


def originals() -> tuple[str, ...]:
    """The names of those that requests are about."""
    return tuple(name for name in sources() if not name.startswith("overlay-"))


def _source(name: str, kind: str, body: bytes, image: pyvips.Image, orientation: int = 1) -> Source:
    alpha = bool(image.hasalpha())
    return Source(name, kind, body, orientation, alpha, width=image.width, height=image.height)


def _narrow() -> list[Source]:
    cat = sample("chelsea.png")
    row, column = cat.crop(0, 150, cat.width, 1), cat.crop(200, 0, 1, cat.height)
    small, odd = cat.resize(20 / cat.width), cat.crop(3, 5, 333, 251)
    return [
        _source("png-one-row", "png", row.pngsave_buffer(), row),
        _source("jpeg-one-column", "jpeg", column.jpegsave_buffer(Q=95), column),
        _source("webp-one-row", "webp", row.webpsave_buffer(lossless=True), row),
        _source("jpeg-small", "jpeg", small.jpegsave_buffer(Q=95), small),
        _source("jpeg-odd-sides", "jpeg", odd.jpegsave_buffer(Q=92), odd),
        _source("webp-odd-sides", "webp", odd.webpsave_buffer(Q=92), odd),
        _source("jpeg-full-colour", "jpeg", odd.jpegsave_buffer(Q=98, subsample_mode="off"), odd),
    ]


def _deep() -> list[Source]:
    camera, coffee = sample("camera.jpg"), sample("coffee.jpg")
    deep = (camera.cast("ushort") * 257).cast("ushort").copy(interpretation="grey16")
    inked = coffee.icc_transform("cmyk", input_profile="srgb", depth=8)
    bits = coffee.colourspace("b-w") > 128
    return [
        _source("png-grey", "png", camera.pngsave_buffer(), camera),
        _source("png-16-bit-grey", "png", deep.pngsave_buffer(), deep),
        _source("png-one-bit", "png", bits.pngsave_buffer(bitdepth=1), bits),
        _source("tiff-16-bit", "tiff", deep.tiffsave_buffer(), deep),
        _source("tiff-cmyk", "tiff", inked.tiffsave_buffer(), inked),
        _source("tiff-grey", "tiff", camera.tiffsave_buffer(compression="lzw"), camera),
        _source("webp-grey", "webp", camera.webpsave_buffer(Q=90), camera),
    ]


def _turned() -> list[Source]:
    """A progressive and a grey photograph with orientations of their own."""
    upright, grey = sample("rocket.jpg"), sample("camera.jpg")
    made = []
    for name, image, orientation in (("progressive", upright.rot270(), 6), ("grey", grey, 3)):
        tagged = image.copy()
        tagged.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        body = tagged.jpegsave_buffer(Q=90, interlace=name == "progressive")
        made.append(_source(f"jpeg-{name}-turned", "jpeg", body, tagged, orientation))
    return made


def _overlays() -> list[Source]:
    veil = pyvips.Image.new_from_buffer(photo("png-alpha").body, "").resize(0.2)
    plain = sample("coffee.jpg").resize(0.15)
    return [
        _source("overlay-alpha", "png", veil.pngsave_buffer(), veil),
        _source("overlay-opaque", "jpeg", plain.jpegsave_buffer(), plain),
        _source("overlay-grey", "png", plain.colourspace("b-w").pngsave_buffer(), plain),
    ]


def _strangers() -> list[Source]:
    """What is no picture, or none that is read here."""
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80">'
        b'<rect width="120" height="80" fill="teal"/><circle cx="60" cy="40" r="30" fill="gold"/>'
        b"</svg>"
    )
    bitmap = b"BM" + struct.pack("<IHHI", 58, 0, 0, 54)
    bitmap += struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0)
    return [
        Source("svg", "svg", drawing, width=120, height=80),
        Source("text", "text", b"This is no picture. " * 30, broken=True),
        Source("empty", "empty", b"", broken=True),
        Source("bmp", "bmp", bitmap + b"\x10\x20\x30\0", broken=True),
        Source("pdf", "pdf", b"%PDF-1.4\n%no pages\n", broken=True),
        Source("noise", "noise", bytes(range(256)) * 4, broken=True),
    ]
