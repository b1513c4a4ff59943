import asyncio
from collections.abc import AsyncIterator

import pytest

from imcaxy.errors import BodyMalformed, BodyTooLarge, Overloaded, SourceEmpty, SourceTimeout
from imcaxy.sources.bodies import Bodies, Body


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def broken() -> AsyncIterator[bytes]:
    yield b"abc"
    raise BodyMalformed


async def endless() -> AsyncIterator[bytes]:
    yield b"abc"
    await asyncio.Event().wait()


class Admitted:
    def __init__(self) -> None:
        self.asked: list[int] = []

    async def __call__(self, most: int) -> None:
        self.asked.append(most)


@pytest.fixture
def bodies() -> Bodies:
    return Bodies(max_bytes=100, timeout=0.05)


async def test_read_gives_the_whole_body_and_asks_for_room_first(bodies: Bodies) -> None:
    admit = Admitted()
    with bodies.offer(Body(6, pieces(b"abc", b"def"))) as source:
        assert source.kind == "body"
        assert await bodies.read(source, admit) == b"abcdef"
    with bodies.offer(Body(None, pieces(b"abc"))) as source:
        assert await bodies.read(source, admit) == b"abc"
    assert admit.asked == [6, 100]


async def test_read_a_second_time_is_refused(bodies: Bodies) -> None:
    with bodies.offer(Body(3, pieces(b"abc"))) as source:
        await bodies.read(source, Admitted())
        with pytest.raises(Overloaded):
            await bodies.read(source, Admitted())


async def test_read_what_is_not_on_offer_any_more_is_refused(bodies: Bodies) -> None:
    with bodies.offer(Body(3, pieces(b"abc"))) as source:
        pass
    with pytest.raises(Overloaded):
        await bodies.read(source, Admitted())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (lambda: Body(101, pieces(b"x" * 101)), BodyTooLarge),
        (lambda: Body(None, pieces(b"x" * 60, b"x" * 60)), BodyTooLarge),
        (lambda: Body(10, pieces(b"x" * 101)), BodyTooLarge),
        (lambda: Body(0, pieces()), SourceEmpty),
        (lambda: Body(None, broken()), BodyMalformed),
        (lambda: Body(None, endless()), SourceTimeout),
    ],
)
async def test_read_body_that_cannot_be_had_is_its_error(
    bodies: Bodies, body: object, error: type[Exception]
) -> None:
    assert callable(body)
    with bodies.offer(body()) as source, pytest.raises(error):
        await bodies.read(source, Admitted())


async def test_offers_are_not_each_others(bodies: Bodies) -> None:
    first, second = Body(1, pieces(b"1")), Body(1, pieces(b"2"))
    with bodies.offer(first) as one, bodies.offer(second) as other:
        assert one != other
        assert await bodies.read(other, Admitted()) == b"2"
        assert await bodies.read(one, Admitted()) == b"1"
