import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import (
    Overloaded,
    ProcessorFailed,
    ProcessorUnavailable,
    Undecodable,
)
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from tests.e2e.harness import Answer, Hold, ScriptedImaginary, eventually, failure, png_of
from tests.unit.processors.imaginary.posting import (
    PICTURE,
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


async def test_make_random_jpeg_refusal_is_tried_again_once(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    refusal = failure(400, "Error while processing the image: VipsJpeg: Not a JPEG file: 0x00")
    engine.answer(refusal, Answer(PICTURE))
    assert await picture_of(processor) == PICTURE
    engine.answer(refusal)
    before = engine.made
    error = await failure_of(processor)
    assert isinstance(error, Undecodable)
    assert "Not a JPEG file" in error.detail
    assert engine.made == before + 2


async def test_make_stale_kept_connection_is_replaced_once(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE))
    assert await picture_of(processor) == PICTURE
    engine.answer(Answer(end="silent"), Answer(PICTURE))
    assert await picture_of(processor) == PICTURE
    assert engine.made == 3


async def test_make_close_without_answer_on_a_fresh_connection_is_not_tried_again(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(end="silent"))
    first = await failure_of(processor)  # the version was asked on the connection it reuses
    assert type(first) is ProcessorUnavailable
    assert engine.made == 2
    assert type(await failure_of(processor)) is ProcessorUnavailable
    assert engine.made == 3


async def test_make_refused_connection_is_unavailable_and_works_again_later(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    engine.answer(Answer(PICTURE))
    await engine.stop()
    assert type(await failure_of(processor)) is ProcessorUnavailable
    await engine.start()
    assert await picture_of(processor) == PICTURE


async def test_make_connection_that_is_never_taken_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(address)
        processor = processor_at(f"http://127.0.0.1:{address[1]}")
        await processor.start()
        assert type(await failure_of(processor)) is ProcessorUnavailable
        await processor.close()
        for filler in fillers:
            filler.close()


async def test_make_before_start_or_after_close_is_unavailable(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    await processor.close()
    assert type(await failure_of(processor)) is ProcessorUnavailable
    assert engine.made == 0


async def test_make_early_refusal_of_a_large_body_is_understood() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Busy\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        processor = processor_at(f"http://127.0.0.1:{port}")
        await processor.start()
        with pytest.raises(Overloaded):
            async with processor.make(REQUEST, [original(png_of(8_000_000))]):
                pass
        await processor.close()


async def test_make_garbage_instead_of_http_fails(processor: ImaginaryProcessor) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 nothing like it\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lost = processor_at(f"http://127.0.0.1:{port}")
    await lost.start()
    assert type(await failure_of(lost)) in (ProcessorFailed, ProcessorUnavailable)
    await lost.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("size", [b"zz", b"-1"])
async def test_make_broken_chunk_size_fails(size: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"3\r\nabc\r\n" + size + b"\r\nabc\r\n")
        await writer.drain()
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lost = processor_at(f"http://127.0.0.1:{port}")
    await lost.start()
    assert type(await failure_of(lost)) is ProcessorFailed
    await lost.close()
    server.close()
    await server.wait_closed()


async def test_make_left_early_ends_the_engines_work(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    hold = Hold()
    engine.answer(Answer(PICTURE, hold=hold))
    async with processor.make(REQUEST, [original()]) as picture:
        assert await anext(picture.chunks)
        await hold.reached()
    await eventually(lambda: engine.open == 0)
    assert engine.requests[-1].left


async def test_make_cancelled_while_waiting_ends_the_engines_work(
    engine: ScriptedImaginary, processor: ImaginaryProcessor
) -> None:
    hold = Hold()
    engine.answer(Answer(PICTURE, before=hold))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await picture_of(processor)
    assert hold.holding <= 1
    await eventually(lambda: engine.open == 0)
