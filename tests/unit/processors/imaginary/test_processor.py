import hashlib
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import (
    ImcaxyError,
    OperationUnsupported,
    ProcessorFailed,
    ProcessorTimeout,
    ProcessorUnavailable,
    SourceTooLarge,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.variant import CHUNK
from imcaxy.processors.imaginary.asks import FORMATS
from imcaxy.processors.imaginary.processor import OPERATIONS, ImaginaryProcessor
from tests.e2e.harness import Answer, Hold, ScriptedImaginary, eventually, failure, png, png_of
from tests.unit.processors.imaginary.posting import (
    LARGEST,
    PICTURE,
    PLACE,
    REQUEST,
    failure_of,
    original,
    picture_of,
    processor_at,
)


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedImaginary]:
    async with ScriptedImaginary() as server:
        yield server


@pytest.fixture
async def processor(engine: ScriptedImaginary) -> AsyncIterator[ImaginaryProcessor]:
    made = processor_at(engine.url)
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_make_good_answer_gives_its_bytes_in_bounded_pieces(
    engine: ScriptedImaginary, processor: ImaginaryProcessor, framing: str
) -> None:
    engine.answer(Answer(PICTURE, framing=framing))  # type: ignore[arg-type] # a parameter's text
    async with processor.make(REQUEST, [original()]) as picture:
        assert picture.media_type == "image/png"
        assert picture.length == (len(PICTURE) if framing == "length" else None)
        chunks = [chunk async for chunk in picture.chunks]
    assert b"".join(chunks) == PICTURE
    assert max(map(len, chunks)) <= CHUNK


async def test_make_sends_original_and_rebuilt_query_and_nothing_else(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    large = png_of(3_000_000)
    async with processor.make(REQUEST, [original(large)]) as picture:
        assert [chunk async for chunk in picture.chunks]
    asked = engine.requests[-1]
    assert (asked.method, asked.path) == ("POST", "/resize")
    assert asked.query == {"width": "100"}
    assert asked.digest == hashlib.sha256(large).hexdigest()
    assert set(asked.headers) - {""} == {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-type",
        "content-length",
    }
    assert asked.headers["accept-encoding"] == "identity"


async def test_make_first_half_is_delivered_while_engine_holds_the_second(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    hold = Hold()
    engine.answer(Answer(PICTURE, hold=hold))
    async with processor.make(REQUEST, [original()]) as picture:
        received = b""
        async for chunk in picture.chunks:
            received += chunk
            if len(received) == len(PICTURE) // 2:
                assert hold.holding == 1
                hold.release()
    assert received == PICTURE


async def test_make_info_accepts_json_only(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    request = ImageRequest("info", (), PLACE)
    engine.answer(Answer(b'{"width":8}', media_type="application/json"), Answer(png()))
    assert await picture_of(processor, request) == b'{"width":8}'
    assert isinstance(await failure_of(processor, request), ProcessorFailed)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(b"<html>", media_type="text/html"), ProcessorFailed),
        (Answer(b"<svg/>", media_type="image/svg+xml"), ProcessorFailed),
        (Answer(b"{}", media_type="application/json"), ProcessorFailed),
        (Answer(b""), ProcessorFailed),
        (Answer(b"", framing="chunked"), ProcessorFailed),
        (Answer(PICTURE, framing="close"), ProcessorFailed),
        (Answer(PICTURE, headers=(("Content-Encoding", "gzip"),)), ProcessorFailed),
        (Answer(PICTURE, status=206), ProcessorFailed),
        (Answer(b"", status=302, headers=(("Location", "/elsewhere"),)), ProcessorFailed),
        (Answer(png_of(LARGEST + 1)), VariantTooLarge),
        (Answer(png_of(LARGEST + 1), framing="chunked"), VariantTooLarge),
    ],
)
async def test_make_answer_that_is_no_picture_is_refused(
    engine: ScriptedImaginary,
    processor: ImaginaryProcessor,
    answer: Answer,
    kind: type[ImcaxyError],
) -> None:
    engine.answer(answer)
    assert type(await failure_of(processor)) is kind
    assert engine.made == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_make_body_cut_at_half_fails_after_its_bytes(
    engine: ScriptedImaginary, processor: ImaginaryProcessor, framing: str, end: str
) -> None:
    engine.answer(Answer(PICTURE, framing=framing, end=end))  # type: ignore[arg-type] # texts
    received = bytearray()

    async def take(chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            received.extend(chunk)

    async with processor.make(REQUEST, [original()]) as picture:
        with pytest.raises(ProcessorFailed):
            await take(picture.chunks)
    assert 0 < len(received) <= len(PICTURE) // 2
    assert PICTURE.startswith(received)


async def test_make_chunked_body_without_last_chunk_fails(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE, framing="chunked", end="fin", half=len(PICTURE)))
    assert type(await failure_of(processor)) is ProcessorFailed


async def test_make_stall_past_the_deadline_times_out(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE, end="stall"))
    async with processor.make(REQUEST, [original()]) as picture:
        with pytest.raises(ProcessorTimeout):
            async for _ in picture.chunks:
                pass
    await eventually(lambda: engine.open == 0)


async def test_make_silence_past_the_first_byte_deadline_times_out(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE, before=Hold()))
    assert type(await failure_of(processor)) is ProcessorTimeout


async def test_make_dripping_past_the_total_deadline_times_out(engine: ScriptedImaginary) -> None:
    processor = processor_at(engine.url, timeout=0.5, first_byte=0.4)
    await processor.start()
    engine.answer(Answer(PICTURE, pace=0.1, piece=1000))
    assert type(await failure_of(processor)) is ProcessorTimeout
    await processor.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failure(400, "Error while processing the image: bad seek"), Undecodable),
        (failure(503, "busy"), ProcessorUnavailable),
    ],
)
async def test_make_error_status_becomes_the_matching_error(
    engine: ScriptedImaginary,
    processor: ImaginaryProcessor,
    answer: Answer,
    kind: type[ImcaxyError],
) -> None:
    engine.answer(answer)
    assert type(await failure_of(processor)) is kind
    assert engine.made == 1


@pytest.mark.parametrize("status", [200, 404])
async def test_make_placeholder_with_error_header_is_the_error_it_tells(
    engine: ScriptedImaginary, processor: ImaginaryProcessor, status: int
) -> None:
    told = (("Error", '{"message":"Image resolution is too big","status":422}'),)
    engine.answer(Answer(PICTURE, status=status, headers=told))
    assert type(await failure_of(processor)) is SourceTooLarge


async def test_make_error_of_the_reader_is_left_alone(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE))
    with pytest.raises(TimeoutError, match="mine"):
        async with processor.make(REQUEST, [original()]):
            raise TimeoutError("mine")


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest("watermarkimage", (("top", 1),), PLACE, (PLACE,)),
        ImageRequest("pipeline", (("operations", "[]"),), PLACE, (PLACE,)),
        ImageRequest("rotate3d", (), PLACE),
    ],
)
async def test_make_overlay_or_unknown_operation_is_refused_unasked(
    engine: ScriptedImaginary, processor: ImaginaryProcessor, request_: ImageRequest
) -> None:
    assert type(await failure_of(processor, request_)) is OperationUnsupported
    assert engine.made == 0


async def test_check_names_the_engine_after_a_real_conversion(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    line = await processor.check()
    assert "1.2.4" in line
    assert engine.requests[-1].path == "/convert"
    assert engine.requests[-1].query == {"type": "jpeg"}
    await engine.stop()
    with pytest.raises(ProcessorUnavailable):
        await processor.check()


async def test_check_works_without_a_start(engine: ScriptedImaginary) -> None:
    unstarted = processor_at(engine.url)
    assert "1.2.4" in await unstarted.check()
    await unstarted.close()


async def test_start_learns_the_version_and_does_not_need_the_engine(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    assert processor.version == "1.2.4 (bimg 1.1.5)"
    await engine.stop()
    late = processor_at(engine.url)
    await late.start()
    other = late.version
    await late.close()
    assert other.startswith("unknown-")
    assert type(await failure_of(late)) is ProcessorUnavailable


def test_operations_and_formats_are_those_of_the_engine() -> None:
    assert {"resize", "pipeline", "info", "smartcrop"} <= OPERATIONS
    assert "avif" not in FORMATS
