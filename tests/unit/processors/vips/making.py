"""How these tests ask a processor for a picture."""

from typing import NamedTuple

import pyvips

from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LogPosition
from imcaxy.processors.vips.processor import VipsProcessor
from imcaxy.sources.base import Original
from tests.corpus import Photo

MIB = 1024 * 1024


class Made(NamedTuple):
    """A picture as it came out."""

    media_type: str
    body: bytes

    def pixels(self) -> pyvips.Image:
        return decoded(self.body)


def processor(**settings: int | float) -> VipsProcessor:
    limits: dict[str, int | float] = {
        "processes": 2,
        "timeout": 20.0,
        "memory": 1024 * MIB,
        "max_pixels": 50_000_000,
        "max_variant_bytes": 64 * MIB,
    }
    return VipsProcessor(**{**limits, **settings})  # type: ignore[arg-type]  # int or float each


def original(photo: Photo) -> Original:
    source = Source("url", f"http://photos.test/{photo.name}")
    return Original(
        source, photo.body, photo.format, photo.width, photo.height, 1, "0" * 64, LogPosition(0, "")
    )


def request(operation: str, options: dict[str, Value], *photos: Photo) -> ImageRequest:
    source, *overlays = (original(photo).source for photo in photos)
    return ImageRequest(operation, tuple(sorted(options.items())), source, tuple(overlays))


async def make(
    maker: VipsProcessor, operation: str, options: dict[str, Value], *photos: Photo
) -> Made:
    originals = [original(photo) for photo in photos]
    async with maker.make(request(operation, options, *photos), originals) as picture:
        pieces = [piece async for piece in picture.chunks]
    body = b"".join(pieces)
    assert picture.length == len(body)
    assert max(map(len, pieces)) <= 64 * 1024
    return Made(picture.media_type, body)


def decoded(body: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(body, "", fail_on="error").copy_memory()


def difference(one: pyvips.Image, other: pyvips.Image) -> float:
    """Levels (0 to 255) by which two pictures of one size differ, on average over all channels."""
    assert (one.width, one.height) == (other.width, other.height)
    bands = max(one.bands, other.bands)
    left, right = (_in_colour(image, bands) for image in (one, other))
    return float((left - right).abs().avg())


def _in_colour(image: pyvips.Image, bands: int) -> pyvips.Image:
    if image.bands < 3 <= bands:
        image = image.colourspace("srgb")
    if image.bands < bands:
        image = image.bandjoin(255)
    return image.premultiply() if image.hasalpha() else image.cast("float")
