import asyncio
import json
import logging
import socket
from typing import Any, Never

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

from imcaxy.server.fast_lane import FastLane
from imcaxy.server.listening import Patience
from imcaxy.server.policy import HttpPolicy
from imcaxy.server.protocol import Protocol
from tests.fakes.clock import settle
from tests.fakes.house import House, Open
from tests.fakes.proxy import MISS, ScriptedVariant, kept
from tests.fakes.wire import Wire, pass_time, until

OK = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def test_names_that_we_use_inside_aiohttp_are_still_there() -> None:
    slots = set(RequestHandler.__slots__)
    assert slots >= {"_waiter", "_messages", "_keepalive_handle", "_keepalive_timeout"}
    assert {"_next_keepalive_close_time", "_paused"} <= slots | set(BaseProtocol.__slots__)
    assert callable(RequestHandler._process_keepalive)
    assert Protocol.handle_error is not RequestHandler.handle_error


@pytest.mark.parametrize(
    ("raw", "status", "kind"),
    [
        ("rubbish\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/9.9\r\n\r\n", 400, "malformed-request"),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "malformed-request"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "malformed-request",
        ),
        (f"GET /{'a' * 70_000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target-too-long"),
        (f"GET / HTTP/1.1\r\nHost: x\r\nA: {'b' * 40_000}\r\n\r\n", 431, "fields-too-large"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_malformed_request_gets_a_short_problem_and_the_end(
    house: House, raw: Any, status: Any, kind: Any
) -> None:
    wire = await house.wire()
    await wire.send(raw)
    reply = await wire.reply()
    assert (reply.status, reply.headers["connection"], reply.whole) == (status, "close", True)
    assert json.loads(reply.body)["type"] == f"/problems/{kind}"
    assert await wire.closed()
    assert house.log[-1]["status"] == status


async def test_malformed_request_answer_survives_a_client_that_goes_on_sending(
    house: House,
) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", house.port))
        await loop.sock_sendall(client, b"rubbish\r\n\r\n" + bytes(30_000_000))
        assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 400 ")


async def test_write_counts_as_taken_only_when_the_kernel_has_it(house: House) -> None:
    wire = await house.wire()
    assert (await wire.get("/healthz")).status == 200
    (protocol,) = house.open
    assert protocol.transport is not None
    if hasattr(protocol.transport, "get_write_buffer_limits"):
        assert protocol.transport.get_write_buffer_limits() == (0, 0)


async def test_target_of_64_kib_is_accepted(house: House) -> None:
    house.proxy.put("resize", kept(b"x"))
    target = "/imaginary/resize?url=" + "a" * 65_000
    assert (await (await house.wire()).get(target)).status == 200


async def test_head_that_does_not_end_is_408_however_it_drips(serving: Open) -> None:
    async with serving(patience=Patience(head=0.2)) as house:
        wire = await house.wire()
        await wire.send("GET / HT")
        await until(lambda: len(house.open) == 1)
        await wire.send("TP/1.1\r\nX: ")
        raw = await wire.raw()
        assert raw.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nConnection: close\r\n" in raw


async def test_head_deadline_starts_anew_with_each_request(serving: Open) -> None:
    async with serving(patience=Patience(head=0.3)) as house:
        wire = await house.wire()
        for _ in range(3):
            await wire.send(OK[:10])
            await wire.send("")
            await wire.send(OK[10:])
            assert (await wire.reply()).status == 200
        await wire.send("\r\n")  # an empty line is no request: RFC 9112 §2.2
        assert (await wire.get("/healthz")).status == 200


async def test_idle_connection_is_closed_after_keepalive(serving: Open) -> None:
    async with serving(patience=Patience(keepalive=0.1)) as house:
        wire = await house.wire()
        assert (await wire.get("/healthz")).status == 200
        assert await wire.closed()
        assert house.listener.connections == 0


async def test_head_begun_before_keepalive_ends_is_answered(serving: Open) -> None:
    async with serving(patience=Patience(keepalive=0.2, head=5)) as house:
        wire = await house.wire()
        assert (await wire.get("/healthz")).status == 200
        await wire.send(OK[:10])
        (protocol,) = house.open
        await until(lambda: protocol._head_timer is not None)
        await until(lambda: protocol._keepalive_handle is None)  # it has fired
        await wire.send(OK[10:])
        assert (await wire.reply()).status == 200
        assert await wire.closed()  # and the next keep-alive counts again


async def test_connection_past_the_limit_takes_the_place_of_the_oldest_idle_one(
    serving: Open,
) -> None:
    async with serving(HttpPolicy(max_connections=2)) as house:
        first, second = await house.wire(), await house.wire()
        for wire in (first, second):
            assert (await wire.get("/healthz")).status == 200
        third = await house.wire()
        assert (await third.get("/healthz")).status == 200
        assert await first.closed()
        assert (await second.get("/healthz")).status == 200
        assert house.listener.connections == 2


async def test_connection_past_the_limit_gets_503_when_none_is_idle(serving: Open) -> None:
    async with serving(HttpPolicy(max_connections=2)) as house:
        picture = ScriptedVariant(10)
        house.proxy.put("resize", picture, MISS)
        busy = [await house.wire(), await house.wire()]
        for wire in busy:
            await wire.send("GET /imaginary/resize?width=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: picture.readers == 2)
        third = await house.wire()
        reply = await third.reply()
        assert (reply.status, reply.headers["retry-after"], reply.whole) == (503, "1", True)
        assert await third.closed()
        picture.give(b"0123456789").end()
        assert [(await wire.reply()).body for wire in busy] == [b"0123456789"] * 2
        assert (await (await house.wire()).get("/healthz")).status == 200


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
async def test_upgrade_is_declined_and_the_connection_ends_after_the_answer(
    house: House, protocol: str
) -> None:
    wire = await house.wire()
    fields = f"Host: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    await wire.send(f"GET /healthz HTTP/1.1\r\n{fields}{OK}")  # the second one may be lost
    reply = await wire.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await wire.closed()


async def test_body_that_no_handler_reads_does_not_reach_the_next_request(house: House) -> None:
    wire = await house.wire()
    await wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
    await wire.send("GET /evil HTTP/1.1\r\n")
    assert (await wire.reply()).status == 200
    assert (await wire.get("/healthz")).status == 200
    assert len(house.lines) == 2


async def test_body_that_never_comes_ends_the_connection(serving: Open) -> None:
    async with serving(patience=Patience(body=0.05)) as house:
        wire = await house.wire()
        await wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
        assert (await wire.reply()).status == 200
        assert await wire.closed()


async def test_error_outside_every_handler_is_logged_and_500(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: object) -> Never:
        raise ZeroDivisionError

    server = house.listener._server
    assert server is not None
    server.request_handler = broken
    with caplog.at_level(logging.ERROR):
        wire = await house.wire()
        reply = await wire.get("/healthz")
    assert (reply.status, reply.headers["connection"]) == (500, "close")
    assert "ZeroDivisionError" in caplog.text


HELD = "GET /imaginary/resize?width=1 HTTP/1.1\r\nHost: x\r\n\r\n"


def fast_lane(house: House) -> FastLane:
    lane = house.application.lane
    assert lane is not None
    return lane


async def taught(house: House, body: bytes, receive_buffer: int | None = None) -> Wire:
    """A connection at a server that has given this picture from memory already."""
    house.proxy.put("resize", kept(body))
    wire = await house.wire(receive_buffer)
    assert (await wire.get("/imaginary/resize?width=1")).status == 200
    assert fast_lane(house).answered == 0
    return wire


async def test_picture_in_memory_is_answered_and_logged_without_a_request(house: House) -> None:
    wire = await taught(house, b"picture")
    asked = len(house.proxy.asked)
    for _ in range(2):
        assert (await wire.get("/imaginary/resize?width=1")).body == b"picture"
    assert fast_lane(house).answered == 2
    assert len(house.proxy.asked) == asked
    normal, *fast = ({**line, "time": 0, "id": 0, "seconds": 0} for line in house.log)
    assert fast == [normal, normal]


async def test_first_request_of_a_connection_is_answered_at_once(house: House) -> None:
    await taught(house, b"picture")
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.connect(("127.0.0.1", house.port))  # by the kernel: the server has not seen it yet
        client.sendall(HELD.encode())
        client.setblocking(False)
        assert (await loop.sock_recv(client, 10_000)).endswith(b"picture")
        assert fast_lane(house).answered == 1
        await loop.sock_sendall(client, HELD.encode())
        assert (await loop.sock_recv(client, 10_000)).endswith(b"picture")


async def test_request_behind_a_half_one_is_not_taken_for_one_of_its_own(house: House) -> None:
    wire = await taught(house, b"picture")
    fields = "Host: x\r\n\r\n"
    await wire.send(f"GET /healthz HTTP/1.1\r\n{fields}GET /healthz HTTP/1.1\r\nX: ")
    assert (await wire.reply()).status == 200
    await wire.send(HELD)  # the value of X, and the end of the second request
    assert json.loads((await wire.reply()).body) == {"status": "ok"}
    assert fast_lane(house).answered == 0
    await wire.send(HELD)
    assert (await wire.reply()).body == b"picture"
    assert fast_lane(house).answered == 1


async def test_request_in_two_pieces_is_left_to_the_parser(house: House) -> None:
    wire = await taught(house, b"picture")
    for piece in (HELD[:20], HELD[20:]):
        await wire.send(piece)
        await settle()
    assert (await wire.reply()).body == b"picture"
    assert fast_lane(house).answered == 0


async def test_draining_server_ends_the_connection_of_a_ready_answer_too(house: House) -> None:
    wire = await taught(house, b"picture")
    house.application.drain()
    assert (await wire.get("/imaginary/resize?width=1")).headers["connection"] == "close"
    assert await wire.closed()
    assert fast_lane(house).answered == 0


async def test_shut_gate_leaves_every_request_to_the_normal_road(house: House) -> None:
    wire = await taught(house, b"picture")
    house.proxy.gate = asyncio.Event()
    await wire.send(HELD)
    await until(lambda: house.proxy.serving == 1)
    assert fast_lane(house).answered == 0
    house.proxy.gate.set()
    assert (await wire.reply()).body == b"picture"


async def test_connection_of_ready_answers_is_closed_only_after_keepalive(serving: Open) -> None:
    async with serving(patience=Patience(keepalive=1.0)) as house:
        wire = await taught(house, b"picture")
        for _ in range(4):
            await pass_time(0.3)
            assert (await wire.get("/imaginary/resize?width=1")).status == 200
        assert fast_lane(house).answered == 4
        assert await wire.closed()


async def test_client_that_takes_no_ready_answer_is_cut_and_logged(serving: Open) -> None:
    async with serving(HttpPolicy(client_timeout=0.1)) as house:
        wire = await taught(house, bytes(250_000), 4096)
        (protocol,) = house.open
        assert protocol.transport is not None
        sending = protocol.transport.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        wire.stop_reading()
        await wire.send(HELD)
        await until(lambda: not house.open)
        assert fast_lane(house).answered == 1
        assert house.log[-1]["ended"] == "cut"
        assert house.log[-1]["bytes"] < 250_000


async def test_ready_answer_on_its_way_keeps_its_connection_from_being_idle(
    serving: Open,
) -> None:
    async with serving(patience=Patience(keepalive=1.0)) as house:
        wire = await taught(house, bytes(250_000), 4096)
        (protocol,) = house.open
        assert protocol.transport is not None
        sending = protocol.transport.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await wire.send(HELD)
        await until(lambda: fast_lane(house).answered == 1)
        assert not protocol.idle
        await pass_time(1.3)  # longer than the keep-alive
        await wire.send(HELD)  # behind a full buffer: the normal road
        replies = [await wire.reply(), await wire.reply()]
        assert [len(reply.body) for reply in replies] == [250_000, 250_000]
        assert fast_lane(house).answered == 1
        assert await wire.closed()
        assert [line["ended"] for line in house.log] == ["whole"] * 3
