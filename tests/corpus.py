"""Photographs of every kind that a server meets, made from the samples: whole ones and broken ones.

Each carries what it shows, upright and in sRGB, made without the code under test.
"""

import functools
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyvips

_SAMPLES = Path(__file__).resolve().parent.parent / "samples"
_CACHE = Path(tempfile.gettempdir()) / "imcaxy-corpus-1"

_INVERSE_TURNS: dict[int, tuple[bool, int]] = {  # orientation: mirrored first, then turned
    1: (False, 0),
    2: (True, 0),
    3: (False, 180),
    4: (True, 180),
    5: (True, 270),
    6: (False, 270),
    7: (True, 90),
    8: (False, 90),
}


@dataclass(frozen=True, slots=True)
class Photo:
    """One file, and what is true of it."""

    name: str
    body: bytes = field(repr=False)
    format: str  # by magic bytes
    width: int  # pixels, as stored
    height: int
    orientation: int = 1
    alpha: bool = False
    broken: str = ""  # how, when it is
    shown: bytes = field(default=b"", repr=False)  # PNG of what a viewer shows; none if broken
    tolerance: float = 4.0  # levels of mean difference that its format and colours cost
    megapixels: bool = False  # takes a good part of a second to decode


@functools.cache
def corpus() -> tuple[Photo, ...]:
    """Every photograph, whole ones first."""
    whole = (*_turned(), *_jpegs(), *_pngs(), *_webps(), *_others(), _large())
    return (*whole, *_broken({photo.name: photo for photo in whole}))


def photo(name: str) -> Photo:
    """The photograph of that name."""
    return next(item for item in corpus() if item.name == name)


@functools.cache
def sample(name: str) -> pyvips.Image:
    """A sample's pixels, in memory, without metadata."""
    image = pyvips.Image.new_from_file(str(_SAMPLES / name))
    for item in ("icc-profile-data", "exif-data", "xmp-data", "orientation"):
        image.remove(item)
    return image.copy_memory()


def _whole(
    name: str,
    body: bytes,
    kind: str,
    shown: pyvips.Image,
    stored: tuple[int, int] | None = None,
    **facts: Any,
) -> Photo:
    width, height = stored or (shown.width, shown.height)
    view = shown.pngsave_buffer(keep="none", compression=1)
    return Photo(name, body, kind, width, height, shown=view, alpha=bool(shown.hasalpha()), **facts)


def _turned() -> Iterator[Photo]:
    upright = sample("rocket.jpg")
    savers: dict[str, Callable[[pyvips.Image], bytes]] = {
        "jpeg": lambda image: image.jpegsave_buffer(Q=92),
        "png": lambda image: image.pngsave_buffer(compression=1),
        "webp": lambda image: image.webpsave_buffer(Q=90, effort=1),
    }
    wanted = [("jpeg", orientation) for orientation in range(1, 9)]
    for kind, orientation in [*wanted, ("png", 6), ("webp", 7), ("webp", 8)]:
        mirrored, degrees = _INVERSE_TURNS[orientation]
        stored = upright.fliphor() if mirrored else upright
        stored = (stored.rot(f"d{degrees}") if degrees else stored).copy()
        stored.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        yield _whole(
            f"{kind}-exif-{orientation}",
            savers[kind](stored),
            kind,
            upright,
            (stored.width, stored.height),
            orientation=orientation,
        )


def _jpegs() -> Iterator[Photo]:
    coffee, camera, retina = sample("coffee.jpg"), sample("camera.jpg"), sample("retina.jpg")
    yield _whole(
        "jpeg-shipped", (_SAMPLES / "rocket.jpg").read_bytes(), "jpeg", sample("rocket.jpg")
    )
    yield _whole("jpeg-untagged", coffee.jpegsave_buffer(Q=95, keep="none"), "jpeg", coffee)
    yield _whole("jpeg-progressive", retina.jpegsave_buffer(interlace=True, Q=85), "jpeg", retina)
    yield _whole("jpeg-grey", camera.jpegsave_buffer(Q=90), "jpeg", camera)
    yield _whole("jpeg-p3", _wide(coffee).jpegsave_buffer(Q=95), "jpeg", coffee)
    inked = coffee.icc_transform("cmyk", input_profile="srgb", depth=8)
    # Ink cannot show every colour of a screen: some are lost for good.
    yield _whole("jpeg-cmyk", inked.jpegsave_buffer(Q=95), "jpeg", coffee, tolerance=12)
    bare = inked.jpegsave_buffer(Q=95, keep="none")
    yield _whole("jpeg-cmyk-untagged", bare, "jpeg", coffee, tolerance=12)
    damaged = coffee.copy()
    damaged.set_type(pyvips.GValue.blob_type, "icc-profile-data", b"not a profile" * 40)
    yield _whole("jpeg-bad-profile", damaged.jpegsave_buffer(Q=95), "jpeg", coffee)


def _pngs() -> Iterator[Photo]:
    cat, camera = sample("chelsea.png"), sample("camera.jpg")
    yield _whole("png-shipped", (_SAMPLES / "chelsea.png").read_bytes(), "png", cat)
    yield _whole("png-alpha", _vignette(cat).pngsave_buffer(), "png", _vignette(cat))
    grey = _vignette(camera)
    yield _whole("png-grey-alpha", grey.pngsave_buffer(), "png", grey)
    yield _whole("png-palette", cat.pngsave_buffer(palette=True), "png", cat, tolerance=8)
    deep = (cat.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    yield _whole("png-16-bit", deep.pngsave_buffer(), "png", cat)
    veil = (_vignette(cat).cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    yield _whole("png-16-bit-alpha", veil.pngsave_buffer(), "png", _vignette(cat))
    yield _whole("png-p3", _wide(cat).pngsave_buffer(), "png", cat)
    yield _whole("png-interlaced", cat.pngsave_buffer(interlace=True), "png", cat)
    pixel = cat.crop(200, 100, 1, 1)
    yield _whole("png-one-pixel", pixel.pngsave_buffer(), "png", pixel, tolerance=12)
    strip = cat.resize(3000 / cat.width, vscale=8 / cat.height)
    yield _whole("png-strip", strip.pngsave_buffer(), "png", strip, tolerance=16)


def _webps() -> Iterator[Photo]:
    cat, space = sample("chelsea.png"), sample("hubble.jpg")
    veil = _vignette(cat)
    yield _whole("webp-lossy", space.webpsave_buffer(Q=90, effort=1), "webp", space, tolerance=8)
    yield _whole("webp-lossless", cat.webpsave_buffer(lossless=True, effort=1), "webp", cat)
    yield _whole("webp-alpha", veil.webpsave_buffer(Q=92, effort=1), "webp", veil)
    yield _whole("webp-animated", _frames().webpsave_buffer(Q=90, effort=1), "webp", cat)


def _others() -> Iterator[Photo]:
    cat, astronaut = sample("chelsea.png"), sample("astronaut.jpg")
    veil = _vignette(cat)
    yield _whole("gif-still", cat.gifsave_buffer(), "gif", cat, tolerance=10)
    yield _whole("gif-animated", _frames().gifsave_buffer(), "gif", cat, tolerance=10)
    avif: dict[str, Any] = {"compression": "av1", "Q": 80, "effort": 1}
    yield _whole("avif", astronaut.heifsave_buffer(**avif), "avif", astronaut)
    yield _whole("avif-alpha", veil.heifsave_buffer(**avif), "avif", veil)
    yield _whole("tiff", astronaut.tiffsave_buffer(compression="deflate"), "tiff", astronaut)
    yield _whole("tiff-alpha", veil.tiffsave_buffer(), "tiff", veil)


def _large() -> Photo:
    """24 megapixels, as phones deliver them; made once per machine, as that takes a second."""
    shown = sample("astronaut.jpg")
    kept = _CACHE / "24-megapixels.jpg"
    if not kept.exists():
        _CACHE.mkdir(exist_ok=True)
        image = shown.resize(6000 / shown.width, vscale=4000 / shown.height)
        fresh = Path(tempfile.mkstemp(dir=_CACHE, suffix=".jpg")[1])
        fresh.write_bytes(image.jpegsave_buffer(Q=90))
        fresh.rename(kept)
    wide = shown.resize(1.5, vscale=1.0)
    body = kept.read_bytes()
    return _whole("jpeg-24-megapixels", body, "jpeg", wide, (6000, 4000), megapixels=True)


def _broken(whole: dict[str, Photo]) -> Iterator[Photo]:
    cuts = ["jpeg-untagged", "jpeg-progressive", "jpeg-cmyk", "png-shipped", "png-interlaced"]
    cuts += ["webp-lossy", "webp-lossless", "gif-still", "avif", "tiff"]
    for name in cuts:
        intact = whole[name]
        yield _damaged(intact, "truncated", intact.body[: len(intact.body) * 6 // 10])
    # Lossy formats have no checksums: only damage that a decoder can notice is tested.
    for name in ("jpeg-progressive", "png-shipped", "webp-lossless", "gif-still", "avif", "tiff"):
        intact = whole[name]
        yield _damaged(intact, "corrupted", _scrambled(intact.body))
    for name in ("jpeg-untagged", "png-shipped", "webp-lossy", "gif-still", "avif", "tiff"):
        intact = whole[name]
        yield _damaged(intact, "header only", intact.body[:40])
    page = b"<!doctype html><title>404</title>" * 20
    yield Photo("html-as-jpeg", page, "jpeg", 100, 100, broken="not a picture")
    cat = whole["png-shipped"]
    yield Photo("png-as-jpeg", cat.body, "jpeg", cat.width, cat.height, broken="another format")
    yield Photo("png-bomb", _bomb(60000, 60000), "png", 100, 100, broken="larger than announced")


def _damaged(intact: Photo, how: str, body: bytes) -> Photo:
    name = f"{intact.name}-{how.replace(' ', '-')}"
    return Photo(name, body, intact.format, intact.width, intact.height, broken=how)


def _scrambled(body: bytes) -> bytes:
    middle = len(body) // 2
    damage = bytes(byte ^ 0x5A for byte in body[middle : middle + 400])
    return body[:middle] + damage + body[middle + len(damage) :]


def _wide(image: pyvips.Image) -> pyvips.Image:
    """The same colours, written as Display P3."""
    return image.icc_transform("p3", input_profile="srgb", depth=8)


def _vignette(image: pyvips.Image) -> pyvips.Image:
    """The picture fading to transparent at its edges."""
    across = pyvips.Image.xyz(image.width, image.height)
    x, y = across[0] / image.width - 0.5, across[1] / image.height - 0.5
    alpha = (1.3 - (x * x + y * y) * 4) * 255
    return image.bandjoin(alpha.cast("uchar")).copy(interpretation=image.interpretation)


def _frames() -> pyvips.Image:
    """Three frames under each other, as libvips takes an animation; the first is upright."""
    cat = sample("chelsea.png")
    film = pyvips.Image.arrayjoin([cat, cat.fliphor(), cat.flipver()], across=1).copy()
    film.set_type(pyvips.GValue.gint_type, "page-height", cat.height)
    film.set_type(pyvips.GValue.array_int_type, "delay", [100, 100, 100])
    return film


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces those sides."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        ]
    )
