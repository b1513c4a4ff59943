"""Bytes to pixels, in the child: header first, limits before pixels, the declared format only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyvips

from imcaxy.errors import SourceTooLarge, SourceUnsupported, Undecodable

# One loader per format: what the server recognised is what is opened, nothing that libvips guesses.
_LOADERS = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "webp": "webpload_source",
    "gif": "gifload_source",
    "avif": "heifload_source",
    "heif": "heifload_source",
    "tiff": "tiffload_source",
}
# Complaints of libjpeg about pictures that it decodes whole all the same; cameras write these.
_HARMLESS = (
    "extraneous bytes",
    "Invalid SOS parameters",
    "Unknown Adobe color transform",
    "unknown JFIF revision",
    "inconsistent APP2",
)
# What decoders say when the limit on address space is reached; some just die.
_SHORTAGES = (
    "out of memory",
    "insufficient memory",
    "memory allocation error",
    "unable to allocate",
    "error creating thread",
    "encoder plugin generated an error",  # AV1 at tens of megapixels
)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An original as it was handed in: bytes, and their format by magic bytes."""

    body: bytes
    format: str


@dataclass(frozen=True, slots=True)
class Header:
    """What libvips reads from a picture without decoding it."""

    width: int  # pixels, as stored
    height: int
    orientation: int  # EXIF, 1 to 8; 0 when there is none
    alpha: bool
    profile: bool  # an ICC profile is embedded
    channels: int
    space: str  # libvips' name of the colour space
    frames: int = 1


def read_header(original: Encoded, max_pixels: int) -> Header:
    """The header of an original, from the same parser that will decode it.

    Raises SourceUnsupported, Undecodable, MemoryError, and SourceTooLarge: parsers may disagree
    about sides.
    """
    header = header_of(_load(original, "none"))
    if header.width * header.height > max_pixels:
        raise SourceTooLarge(
            value=f"{header.width}x{header.height}", accepted=f"up to {max_pixels} pixels"
        )
    return header


def header_of(image: pyvips.Image) -> Header:
    """What a picture in hand says of itself."""
    return Header(
        image.width,
        image.height,
        image.get("orientation") if image.get_typeof("orientation") else 0,
        bool(image.hasalpha()),
        bool(image.get_typeof("icc-profile-data")),
        image.bands,
        image.interpretation,
        image.get_n_pages() if image.get_typeof("delay") else 1,  # pages of a TIFF are no frames
    )


def from_pixels(
    original: Encoded,
    shrink: int,
    use: Callable[[pyvips.Image], _Result],
    *,
    animated: bool = False,
) -> _Result:
    """What `use` makes of the decoded picture, its sides divided by `shrink`.

    It is the first frame, or all of them under each other where `animated` says so.

    The picture is read from top to bottom once, so `use` must consume it. Damage raises
    pyvips.Error when it is reached; damage that costs no pixel does not.
    """
    strict = "warning" if original.format == "jpeg" else "error"
    try:
        return use(_load(original, strict, shrink, animated=animated))
    except pyvips.Error as error:
        if strict == "error" or not any(text in error.detail for text in _HARMLESS):
            raise
    return use(_load(original, "error", shrink))


def _load(
    original: Encoded, strictness: str, shrink: int = 1, *, animated: bool = False
) -> pyvips.Image:
    name = _LOADERS.get(original.format)
    if name is None:
        raise SourceUnsupported(value=original.format, accepted=", ".join(sorted(_LOADERS)))
    options: dict[str, Any] = {"access": "sequential", "fail_on": strictness}
    if shrink > 1:
        options |= {"shrink": shrink} if original.format == "jpeg" else {"scale": 1 / shrink}
    if animated:
        options["n"] = -1
    try:
        # Given bytes instead of a source, pyvips would copy them.
        source = pyvips.Source.new_from_memory(original.body)
        return getattr(pyvips.Image, name)(source, **options)
    except pyvips.Error as error:
        raise translated(error) from error


def translated(error: pyvips.Error) -> Undecodable | MemoryError:
    """What libvips' complaint means: memory ran out, or the source is at fault."""
    text = error.detail.lower()
    if any(cause in text for cause in _SHORTAGES):
        return MemoryError(error.detail)
    return Undecodable(
        "The source image cannot be decoded: it is damaged, cut off or of an unusual kind."
    )
