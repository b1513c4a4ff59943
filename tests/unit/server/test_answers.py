"""Design guarantee 4; what aiohttp does when a handler ends early is the list of traps below."""

import asyncio
import socket
from typing import Any

import pytest

from imcaxy.errors import BlobCorrupt, Overloaded, ProcessorCrashed, SourceMissing
from imcaxy.server.answers import cut
from imcaxy.server.policy import HttpPolicy
from tests.fakes.house import House, Open
from tests.fakes.proxy import MISS, LyingVariant, ScriptedVariant, kept
from tests.fakes.wire import until

TARGET = "/imaginary/resize?width=1"
BODY = bytes(range(256)) * 1000


async def test_kept_picture_get_sends_whole_body_with_its_length(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    reply = await (await house.wire()).get(TARGET)
    assert (reply.status, reply.whole, reply.body) == (200, True, BODY)
    assert reply.headers["content-length"] == str(len(BODY))
    assert "server" not in reply.headers


async def test_running_picture_known_length_first_byte_before_last(house: House) -> None:
    picture = ScriptedVariant(10)
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    picture.give(b"ABCDE")
    seen = await wire.reader.readuntil(b"ABCDE")
    assert b"Content-Length: 10\r\n" in seen
    picture.give(b"FGHIJ").end()
    assert await wire.reader.readexactly(5) == b"FGHIJ"


async def test_running_picture_unknown_length_is_chunked_and_ends_when_whole(house: House) -> None:
    picture = ScriptedVariant(None).give(b"abc")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await wire.reader.readuntil(b"3\r\nabc\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert b"\r\nContent-Length" not in head
    picture.give(b"de").end()
    assert await wire.reader.readexactly(12) == b"2\r\nde\r\n0\r\n\r\n"
    assert (await wire.get(TARGET)).body == b"abcde"  # the connection goes on


@pytest.mark.parametrize("length", [None, 10], ids=["chunked", "length"])
@pytest.mark.parametrize(
    "error",
    [ProcessorCrashed(), Overloaded(), RuntimeError("a bug"), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_failure_after_first_byte_resets_connection(
    house: House, length: int | None, error: Any
) -> None:
    picture = ScriptedVariant(length).give(b"ABCDE")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.reader.readuntil(b"ABCDE")
    picture.fail(error)
    rest = await wire.raw()
    assert b"0\r\n\r\n" not in rest
    assert b"HTTP/1.1" not in rest  # no second status line
    assert wire.was_reset
    await until(lambda: house.lines)
    assert house.log[0]["ended"] == "cut"
    assert house.log[0]["status"] == 200
    assert picture.readers == 0


@pytest.mark.parametrize("length", [None, 10], ids=["chunked", "length"])
async def test_failure_after_first_byte_is_not_whole_for_strict_parser(
    house: House, length: int | None
) -> None:
    picture = ScriptedVariant(length).give(b"ABCDE").fail(ProcessorCrashed())
    house.proxy.put("resize", picture, MISS)
    reply = await (await house.wire()).get(TARGET)
    assert not reply.whole


@pytest.mark.parametrize(
    ("given", "announced"), [(b"ABCD", 10), (b"ABCDEFGHIJKL", 10)], ids=["short", "long"]
)
async def test_body_that_differs_from_its_length_is_cut(
    house: House, given: Any, announced: int
) -> None:
    picture = LyingVariant(announced).give(given[:4])
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.reader.readuntil(b"ABCD")
    picture.give(given[4:]).end()
    rest = await wire.raw()
    assert len(rest) <= 6
    await until(lambda: house.lines)
    assert house.log[0]["ended"] == "cut"


@pytest.mark.parametrize("length", [None, 10], ids=["unknown", "known"])
async def test_failure_before_first_byte_is_an_ordinary_error(
    house: House, length: int | None
) -> None:
    house.proxy.put("resize", ScriptedVariant(length).fail(SourceMissing()), MISS, ("Accept",))
    wire = await house.wire()
    reply = await wire.get(TARGET)
    assert (reply.status, reply.whole) == (404, True)
    assert reply.headers["vary"] == "Accept"
    assert (await wire.get(TARGET)).status == 404  # the connection goes on


async def test_failure_at_the_very_end_cuts_although_every_byte_was_given(house: House) -> None:
    picture = ScriptedVariant(10).give(b"ABCDE")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.reader.readuntil(b"ABCDE")
    picture.give(b"FGHIJ").fail_at_the_end(BlobCorrupt())
    assert await wire.raw() == b""
    assert wire.was_reset


async def test_picture_without_a_byte_is_500(house: House) -> None:
    house.proxy.put("resize", LyingVariant(None).end(), MISS)
    reply = await (await house.wire()).get(TARGET)
    assert reply.status == 500
    assert reply.whole


async def test_first_byte_that_does_not_come_is_504(serving: Open) -> None:
    async with serving(HttpPolicy(request_timeout=0.05)) as house:
        picture = ScriptedVariant(10)
        house.proxy.put("resize", picture, MISS)
        reply = await (await house.wire()).get(TARGET)
        assert reply.status == 504
        assert reply.headers["retry-after"] == "1"
        assert picture.readers == 0


async def test_next_piece_that_does_not_come_cuts(serving: Open) -> None:
    async with serving(HttpPolicy(request_timeout=0.05)) as house:
        house.proxy.put("resize", ScriptedVariant(10).give(b"ABCDE"), MISS)
        reply = await (await house.wire()).get(TARGET)
        assert (reply.status, reply.body, reply.whole) == (200, b"ABCDE", False)


async def test_client_that_does_not_read_is_cut_at_its_deadline_others_are_not(
    serving: Open,
) -> None:
    async with serving(HttpPolicy(client_timeout=0.5)) as house:
        house.proxy.put("resize", kept(bytes(16 * 1024 * 1024)))
        stalled = await house.wire()
        stalled.stop_reading()
        await stalled.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = await (await house.wire()).get(TARGET)
        assert reply.whole
        await until(lambda: len(house.lines) == 2)
        assert sorted(line["ended"] for line in house.log) == ["cut", "whole"]
        await until(lambda: len(house.open) == 1)  # what the client did not take is given up


async def test_client_that_leaves_early_releases_the_reader(house: House) -> None:
    picture = ScriptedVariant(10).give(b"ABCDE")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.reader.readuntil(b"ABCDE")
    wire.close()
    await until(lambda: house.lines)
    assert house.log[0]["ended"] == "client-left"
    assert picture.readers == 0


async def test_client_that_leaves_while_it_waits_cancels_the_wait_at_once(house: House) -> None:
    picture = ScriptedVariant(10)
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: picture.readers)
    wire.close()
    await until(lambda: not picture.readers)
    await until(lambda: house.lines)
    assert house.log[0]["ended"] == "client-left"


async def test_http_1_0_unknown_length_waits_for_the_end_and_sends_length(house: House) -> None:
    picture = ScriptedVariant(None).give(b"abc")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.0\r\n\r\n")
    await until(lambda: picture.readers)
    picture.give(b"def").end()
    reply = await wire.reply()
    assert (reply.body, reply.whole) == (b"abcdef", True)
    assert reply.headers["content-length"] == "6"
    assert await wire.closed()


async def test_http_1_0_unknown_length_that_fails_is_an_error_not_a_short_body(
    house: House,
) -> None:
    picture = ScriptedVariant(None).give(b"abc")
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.0\r\n\r\n")
    await until(lambda: picture.readers)
    picture.fail(ProcessorCrashed())
    assert (await wire.reply()).status == 502


async def test_http_1_0_keep_alive_is_honoured(house: House) -> None:
    house.proxy.put("resize", kept(BODY))
    wire = await house.wire()
    for _ in range(2):
        await wire.send(f"GET {TARGET} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        reply = await wire.reply()
        assert reply.headers["connection"] == "keep-alive"
        assert reply.body == BODY


async def test_head_has_the_fields_of_get_and_no_body_on_a_running_picture(house: House) -> None:
    picture = ScriptedVariant(10)
    house.proxy.put("resize", picture, MISS)
    wire = await house.wire()
    head = await wire.get(TARGET, method="HEAD")
    assert (head.status, head.body, head.whole) == (200, b"", True)
    assert picture.reads == []
    picture.give(b"ABCDEFGHIJ").end()
    get = await wire.get(TARGET)
    differing = {"x-request-id", "date", "age"}
    assert {k: v for k, v in head.headers.items() if k not in differing} == {
        k: v for k, v in get.headers.items() if k not in differing
    }


async def test_head_unknown_length_names_none(house: House) -> None:
    house.proxy.put("resize", ScriptedVariant(None), MISS)
    wire = await house.wire()
    reply = await wire.get(TARGET, method="HEAD")
    assert "content-length" not in reply.headers
    assert "transfer-encoding" not in reply.headers
    assert (await wire.get("/healthz")).status == 200


async def test_pipelined_requests_are_answered_in_order(house: House) -> None:
    house.proxy.put("resize", kept(b"one"))
    wire = await house.wire()
    await wire.send(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert [(await wire.reply()).body for _ in range(3)] == [b"one"] * 3


async def test_cut_of_a_connection_that_is_closed_is_no_error() -> None:
    closed = asyncio.Event()

    class Closing(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        transport, _ = await asyncio.get_running_loop().create_connection(Closing, *address)
        connection = transport.get_extra_info("socket")  # as aiohttp does, for TCP_NODELAY
        transport.abort()
        await closed.wait()
        await until(lambda: connection.fileno() == -1)
        cut(transport)
