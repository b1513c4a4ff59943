import re
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import (
    ProcessorFailed,
    SourceFailed,
    SourceMissing,
    SourceRefused,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from tests.e2e.harness import Answer, Request, ScriptedImaginary, failure
from tests.unit.processors.imaginary.posting import (
    PICTURE,
    PLACE,
    REQUEST,
    failure_of,
    original,
    processor_at,
)

OVERLAY = Source("url", "http://pictures.example/logo.png")
MARKED = ImageRequest("watermarkimage", (("image", OVERLAY.value), ("top", 3)), PLACE, (OVERLAY,))


class Fetching(ScriptedImaginary):
    """An engine that answers GET with a picture."""

    def choose(self, request: Request) -> Answer:
        if request.method == "GET" and request.path not in ("/", "/info"):
            return self.default if isinstance(self.default, Answer) else self.default(request)
        return super().choose(request)


@pytest.fixture
async def engine() -> AsyncIterator[Fetching]:
    async with Fetching() as server:
        server.answer(Answer(PICTURE))
        yield server


async def vet(source: Source) -> None:
    if "inner" in source.value:
        raise SourceRefused(value=source.host)


@pytest.fixture
async def processor(engine: Fetching) -> AsyncIterator[ImaginaryProcessor]:
    made = processor_at(engine.url, vet=vet)
    await made.start()
    yield made
    await made.close()


async def fetched(processor: ImaginaryProcessor, request: ImageRequest) -> bytes:
    async with processor.make(request, []) as picture:
        return b"".join([chunk async for chunk in picture.chunks])


async def test_make_forwards_the_address_and_sends_no_bytes(
    engine: Fetching, processor: ImaginaryProcessor
) -> None:
    assert processor.fetches(REQUEST, PLACE)
    assert await fetched(processor, REQUEST) == PICTURE
    asked = engine.requests[-1]
    assert (asked.method, asked.path, asked.size) == ("GET", "/resize", 0)
    assert asked.query == {"width": "100", "url": PLACE.value}
    assert asked.headers["cache-control"] == "no-cache"


async def test_make_forwards_overlays(engine: Fetching, processor: ImaginaryProcessor) -> None:
    assert "watermarkimage" in processor.operations
    assert all(processor.fetches(MARKED, source) for source in MARKED.sources)
    assert await fetched(processor, MARKED) == PICTURE
    assert engine.requests[-1].query == {"image": OVERLAY.value, "top": "3", "url": PLACE.value}


async def test_make_file_is_sent_and_its_overlay_fetched(
    engine: Fetching, processor: ImaginaryProcessor
) -> None:
    here = Source("file", "photo.png")
    request = ImageRequest("watermarkimage", MARKED.parameters, here, (OVERLAY,))
    assert not processor.fetches(request, here)
    assert processor.fetches(request, OVERLAY)
    sent = original()
    given = type(sent)(here, *(getattr(sent, name) for name in sent.__slots__[1:]))
    async with processor.make(request, [given]) as picture:
        assert [chunk async for chunk in picture.chunks]
    asked = engine.requests[-1]
    assert (asked.method, asked.digest) == ("POST", sent.digest)
    assert asked.query == {"image": OVERLAY.value, "top": "3"}


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest("resize", (("width", 1),), Source("url", "http://inner/photo.png")),
        ImageRequest("watermarkimage", (), PLACE, (Source("url", "http://inner/logo.png"),)),
    ],
)
async def test_make_source_that_may_not_be_fetched_is_never_forwarded(
    engine: Fetching, processor: ImaginaryProcessor, request_: ImageRequest
) -> None:
    before = len(engine.requests)
    with pytest.raises(SourceRefused):
        await fetched(processor, request_)
    assert len(engine.requests) == before


async def test_make_origins_failure_is_the_sources_and_does_not_rest_the_engine(
    engine: Fetching, processor: ImaginaryProcessor
) -> None:
    engine.answer(
        failure(404, "error fetching remote http image: (status=404) (url=http://x)"),
        failure(503, "error fetching remote http image: (status=599) (url=http://x)"),
    )
    assert type(await failure_of(processor)) is SourceMissing
    for _ in range(4):
        assert type(await failure_of(processor)) is SourceFailed
    assert processor._standings[0].open(0)


async def test_check_engine_that_may_not_fetch_says_how_to_start_it(
    engine: Fetching, processor: ImaginaryProcessor
) -> None:
    refusal = failure(405, "GET method not allowed. Make sure remote URL source is enabled")
    engine.script("/info", refusal)
    engine.choose = lambda request: (  # type: ignore[method-assign] # one answer differs here
        refusal if request.path == "/info" else Answer(PICTURE)
    )
    with pytest.raises(ProcessorFailed, match=re.escape("-enable-url-source")):
        await processor.check()
    engine.choose = lambda request: (  # type: ignore[method-assign] # and here
        failure(400, "Unvalid image URL") if request.path == "/info" else Answer(PICTURE)
    )
    assert "Imaginary at" in await processor.check()
