"""Design 4 and I29 of caching.md: a stop loses no request and ends within its time."""

import asyncio
import json
import socket

import pytest

from imcaxy.clock import Clock
from imcaxy.server.listening import Listener, Patience
from imcaxy.tasks import Tasks
from tests.fakes.clock import Interrupting
from tests.fakes.house import House, Open
from tests.fakes.proxy import MISS, ScriptedVariant, kept
from tests.fakes.wire import Wire, until

TARGET = "/imaginary/resize"
ASK = f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_drain_running_answer_ends_whole_and_new_connections_are_refused(
    serving: Open,
) -> None:
    async with serving(patience=Patience(grace=0.1)) as house:
        picture = ScriptedVariant(10).give(b"ABCDE")
        house.proxy.put("resize", picture, MISS)
        wire = await house.wire()
        await wire.send(ASK)
        await wire.reader.readuntil(b"ABCDE")
        tasks = Tasks()
        stop = tasks.start(house.listener.drain(5), "drain")
        await until(lambda: house.application.sender.draining)
        with pytest.raises(ConnectionRefusedError):
            await Wire.open(house.port)
        picture.give(b"FGHIJ").end()
        assert await wire.reader.readexactly(5) == b"FGHIJ"
        await asyncio.wait_for(stop, 2)
        assert await wire.closed()
        assert house.log[0]["ended"] == "whole"


async def test_drain_kept_alive_connections_get_close_and_readyz_says_so(serving: Open) -> None:
    async with serving(patience=Patience(grace=1)) as house:
        house.proxy.put("resize", kept(b"x"))
        one, two = await house.wire(), await house.wire()
        assert (await one.get("/readyz")).status == 200
        assert (await two.get(TARGET)).headers.get("connection") is None
        tasks = Tasks()
        stop = tasks.start(house.listener.drain(5), "drain")
        await until(lambda: house.application.sender.draining)
        ready = await one.get("/readyz")
        assert (ready.status, json.loads(ready.body)["reason"]) == (503, "draining")
        last = await two.get(TARGET)
        assert (last.status, last.whole, last.headers["connection"]) == (200, True, "close")
        assert await one.closed()
        assert await two.closed()
        await asyncio.wait_for(stop, 0.5)  # nothing is left, so the grace is not waited for


async def test_drain_idle_connection_is_closed_after_the_grace(serving: Open) -> None:
    async with serving(patience=Patience(grace=0.1)) as house:
        wire = await house.wire()
        assert (await wire.get("/healthz")).status == 200
        await asyncio.wait_for(house.listener.drain(5), 1)
        assert await wire.closed()


async def test_drain_request_that_the_loop_has_not_read_yet_is_answered(house: House) -> None:
    house.proxy.put("resize", kept(b"x"))
    client = socket.socket()
    clock = Interrupting(lambda: client.send(ASK.encode()))
    listener = Listener(house.application, clock, Patience(grace=0))
    listening = socket.create_server(("127.0.0.1", 0))
    await listener.start([listening])
    client.setblocking(False)
    loop, answer = asyncio.get_running_loop(), b""
    await loop.sock_connect(client, ("127.0.0.1", listening.getsockname()[1]))
    await until(lambda: listener.connections)
    await listener.drain(5)
    try:
        while piece := await asyncio.wait_for(loop.sock_recv(client, 65536), 5):
            answer += piece
    finally:
        client.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nx")


@pytest.mark.parametrize("length", [None, 10], ids=["chunked", "length"])
async def test_drain_answer_that_does_not_end_is_cut_at_the_timeout(
    serving: Open, length: int | None
) -> None:
    async with serving(patience=Patience(grace=0.1)) as house:
        picture = ScriptedVariant(length).give(b"ABCDE")
        house.proxy.put("resize", picture, MISS)
        wire = await house.wire()
        await wire.send(ASK)
        await wire.reader.readuntil(b"ABCDE")
        await asyncio.wait_for(house.listener.drain(0.3), 2)
        assert b"0\r\n\r\n" not in await wire.raw()
        assert picture.readers == 0
        assert house.listener.connections == 0
        assert house.log[0]["status"] == 200
        assert house.log[0]["ended"] != "whole"


async def test_drain_request_that_waits_is_cut_at_the_timeout(serving: Open) -> None:
    async with serving() as house:
        house.proxy.gate = asyncio.Event()
        wire = await house.wire()
        await wire.send(ASK)
        await until(lambda: house.proxy.serving)
        await asyncio.wait_for(house.listener.drain(0.2), 2)
        assert await wire.raw() == b""
        assert house.proxy.serving == 0


async def test_drain_of_a_listener_that_never_started_returns(house: House) -> None:
    unused = Listener(house.application, Clock())
    await unused.drain(1)
    assert unused.connections == 0


async def test_drain_reader_that_stalls_is_cut_at_the_timeout(serving: Open) -> None:
    async with serving() as house:
        house.proxy.put("resize", kept(bytes(16 * 1024 * 1024)))
        wire = await house.wire()
        wire.stop_reading()
        await wire.send(ASK)
        await until(lambda: any(protocol.writing_paused for protocol in house.open))
        await asyncio.wait_for(house.listener.drain(0.2), 2)
        assert house.listener.connections == 0
        assert house.log[0]["ended"] != "whole"
