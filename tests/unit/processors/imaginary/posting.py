"""One request, one original and an adapter, for the tests of the Imaginary adapter."""

import hashlib

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import (
    ImcaxyError,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.processors.base import Processor
from imcaxy.processors.imaginary.engine import Bounds
from imcaxy.processors.imaginary.processor import ImaginaryProcessor, Vet
from imcaxy.sources.base import Original
from tests.e2e.harness import png_of

PLACE = Source("url", "http://pictures.example/photo.png")
REQUEST = ImageRequest("resize", (("width", 100),), PLACE)
LARGEST = 1_000_000  # bytes
PICTURE = png_of(300_000, seed=1)


def original(body: bytes = PICTURE) -> Original:
    digest = hashlib.sha256(body).hexdigest()
    return Original(PLACE, body, "png", 8, 8, 1, digest, LOG_START)


def processor_at(
    *urls: str,
    timeout: float = 3.0,
    first_byte: float = 1.0,
    stall: float = 0.3,
    silence: float = 0.5,
    vet: Vet | None = None,
    clock: Clock | None = None,
) -> ImaginaryProcessor:
    bounds = Bounds(timeout, first_byte, stall, silence, max_bytes=LARGEST, connections=4)
    return ImaginaryProcessor(urls, bounds, clock or Clock(), vet)


async def picture_of(processor: Processor, request: ImageRequest = REQUEST) -> bytes:
    async with processor.make(request, [original()]) as picture:
        return b"".join([chunk async for chunk in picture.chunks])


async def failure_of(processor: Processor, request: ImageRequest = REQUEST) -> ImcaxyError:
    with pytest.raises(ImcaxyError) as raised:
        await picture_of(processor, request)
    return raised.value
