import asyncio

import pytest

from imcaxy.errors import Overloaded
from imcaxy.grammar.variant import LOG_START, Head, LogPosition
from imcaxy.hub.hub import Hub
from imcaxy.hub.stream import Detached
from tests.fakes.clock import settle

HEAD = Head("image/png", None, '"tag"', 0.0)


async def test_open_stream_is_found_until_it_is_removed() -> None:
    hub = Hub(1000, 1000)
    stream = hub.open("a")
    assert hub.find("a") is stream
    assert hub.find("b") is None
    hub.remove("a", stream)
    assert hub.find("a") is None
    assert len(hub) == 0


async def test_remove_of_an_older_stream_leaves_the_newer_one() -> None:
    hub = Hub(1000, 1000)
    old = hub.open("a")
    hub.remove("a", old)
    new = hub.open("a")
    hub.remove("a", old)
    assert hub.find("a") is new


async def test_open_when_all_bytes_are_used_is_refused() -> None:
    hub = Hub(10, 10)
    stream = hub.open("a")
    stream.begin(HEAD, LOG_START, keeping=True)
    stream.append(b"x" * 10)
    with pytest.raises(Overloaded) as caught:
        hub.open("b")
    assert caught.value.retry_after
    hub.remove("a", stream)
    assert hub.bytes == 10
    del stream
    assert hub.bytes == 0
    hub.open("b")


def position(number: int) -> LogPosition:
    return LogPosition(number, f"r{number}")


async def test_record_detaches_older_streams_of_its_keys_and_no_others() -> None:
    hub = Hub(100, 100)
    older, newer, other, unbegun = (
        hub.open(name, keys)
        for name, keys in (("a", ("k", "*")), ("b", ("k",)), ("c", ("else",)), ("d", ("k",)))
    )
    older.as_of, newer.as_of, other.as_of = position(1), position(2), position(1)
    hub.apply(2, ["k", "never"])
    assert hub.find("a") is None
    assert [hub.find(name) for name in "bcd"] == [newer, other, unbegun]
    assert [each.detached for each in (older, newer, other, unbegun)] == [True, False, False, False]


async def test_who_waits_for_the_head_of_a_detached_stream_is_sent_elsewhere() -> None:
    hub = Hub(100, 100)
    stream = hub.open("a", ("k",))
    stream.as_of = LOG_START
    waiting = asyncio.gather(stream.started(), return_exceptions=True)
    await settle()
    hub.apply(1, ["k"])
    assert isinstance((await waiting)[0], Detached)
    stream.begin(HEAD, LOG_START, keeping=True)
    with pytest.raises(Detached):
        await stream.started()


async def test_who_reads_a_detached_stream_reads_it_to_the_end() -> None:
    hub = Hub(100, 100)
    stream = hub.open("a", ("k",))
    stream.begin(HEAD, LOG_START, keeping=True)
    stream.append(b"01234")
    reader = stream.read()
    assert bytes(await anext(reader)) == b"01234"
    hub.apply(1, ["k"])
    stream.append(b"ABCDE")
    stream.finish()
    assert bytes(await anext(reader)) == b"ABCDE"
    await reader.aclose()


async def test_stream_let_go_of_is_not_found_and_still_reaches_who_waits() -> None:
    hub = Hub(100, 100)
    stream = hub.open("a", ("k",))
    waiting = asyncio.gather(stream.started())
    await settle()
    hub.let_go()
    assert hub.find("a") is None
    stream.begin(HEAD, LOG_START, keeping=True)
    await waiting


async def test_another_log_detaches_every_stream() -> None:
    hub = Hub(100, 100)
    stream = hub.open("a", ("k",))
    hub.reset(7)
    assert hub.find("a") is None
    assert stream.detached
