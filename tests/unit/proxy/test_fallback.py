import pytest

from imcaxy.errors import ProcessorFailed, SourceMissing
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.proxy.fallback import Fallback
from tests.fakes.instance import PIXEL, Instance, collect

REQUEST = ImageRequest("resize", (("width", 3),), Source("url", "http://host/a.png"))


def fallback(world: Instance) -> Fallback:
    return Fallback(world.downloads, lambda: LOG_START, world.clock)


async def test_source_is_given_byte_for_byte_with_its_own_type() -> None:
    variant = await fallback(Instance()).source_of(REQUEST, ProcessorFailed())
    assert await collect(variant.read()) == PIXEL
    assert await collect(variant.read(1, 4)) == b"PNG"
    assert (variant.head.media_type, variant.head.length) == ("image/png", len(PIXEL))
    assert variant.whole
    assert variant.available == len(PIXEL)


async def test_source_that_cannot_be_had_leaves_the_first_error() -> None:
    world = Instance()

    def missing(_source: Source) -> bytes:
        raise SourceMissing

    world.reader.answer = missing
    with pytest.raises(ProcessorFailed):
        await fallback(world).source_of(REQUEST, ProcessorFailed("first"))
