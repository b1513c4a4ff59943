"""What a body is and how large a picture it holds, before anything is decoded. Pure.

Own code, because the libraries for this (imagesize, filetype) neither count frames nor bound their
work, and the processor must not see a body before its limits are checked.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from imcaxy.errors import SourceUnsupported, Undecodable
from imcaxy.sources.headers import gif, heif, jpeg, png, tiff, webp
from imcaxy.sources.headers.extent import Extent, broken

ACCEPTED = "JPEG, PNG, WebP, GIF, AVIF, HEIF or TIFF"
_READERS: dict[str, Callable[[bytes], Extent]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "webp": webp.read,
    "gif": gif.read,
    "tiff": tiff.read,
    "avif": heif.read,
    "heif": heif.read,
}
_MAGIC: tuple[tuple[str, bytes | tuple[bytes, ...]], ...] = (
    ("jpeg", jpeg.MAGIC),
    ("png", png.MAGIC),
    ("gif", gif.MAGIC),
    ("tiff", tiff.MAGIC),
)
_OTHERS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("a JPEG XL picture", (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    ("a JPEG 2000 picture", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("an icon (ICO)", (b"\0\0\x01\0",)),
    ("a BMP picture", (b"BM",)),
    ("a Photoshop file", (b"8BPS",)),
    ("a PDF document", (b"%PDF",)),
    ("a gzip file", (b"\x1f\x8b",)),
    ("a zip file", (b"PK\x03\x04",)),
)
_TEXTS = (
    ("an SVG drawing", b"<svg"),
    ("an HTML page", b"<!doctype html"),
    ("an HTML page", b"<html"),
    ("an XML document", b"<?xml"),
)
_SNIFFED = 512  # bytes in which a text's kind is looked for


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """A picture's format by magic bytes, and its extent as stored."""

    format: str  # jpeg png webp gif avif heif tiff
    width: int  # pixels
    height: int  # pixels
    frames: int  # 1 for a still; counting stops at extent.MAX_FRAMES_COUNTED
    pixel: int = 4  # bytes of a decoded pixel, at most
    held: int = 0  # bytes of the whole picture that a decoder needs before its first row


def read_header(body: bytes) -> PictureHeader:
    """The picture's format, size and number of frames; the body's declared type plays no part.

    Raises SourceUnsupported when the body is not a picture that we read, Undecodable when its
    header is damaged or cut, SourceTooLarge when it is cut into absurdly many pieces.
    """
    name = format_of(body)
    if name is None:
        found = _other(body)
        raise SourceUnsupported(
            f"The source is {found}, not a picture that we read.", value=found, accepted=ACCEPTED
        )
    try:
        extent = _READERS[name](body)
    except (struct.error, IndexError) as error:
        raise Undecodable(f"The source's {name} header is cut off.", value=name) from error
    if extent.width < 1 or extent.height < 1:
        raise broken(name, "it has no pixels")
    return PictureHeader(name, *extent)


def format_of(body: bytes) -> str | None:
    """The format by magic bytes; None when it is none that we read."""
    for name, magic in _MAGIC:
        if body.startswith(magic):
            return name
    return "webp" if webp.is_webp(body) else heif.format_of(body)


def _other(body: bytes) -> str:
    for found, magic in _OTHERS:
        if body.startswith(magic):
            return found
    if body[4:8] == b"ftyp":
        return "a video, or a picture of an unknown brand"
    start = body[:_SNIFFED].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for found, text in _TEXTS:
        if start.startswith(text):
            return "an SVG drawing" if b"<svg" in start else found
    if not body:
        return "empty"
    return "text" if start.isascii() and b"\0" not in start else "a file of an unknown kind"
