import pytest

from imcaxy.errors import Overloaded
from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.hub.hub import Hub

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
