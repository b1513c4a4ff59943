import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import InternalError, Overloaded, ProcessorFailed, VariantTooLarge
from imcaxy.grammar.variant import CHUNK, LOG_START, Head
from imcaxy.hub.budget import Budget
from imcaxy.hub.stream import Stream
from tests.fakes.clock import settle

HEAD = Head("image/png", None, '"tag"', 0.0)


def stream(limit: int = 10_000_000, total: int = 10_000_000) -> Stream:
    return Stream(Budget(total), limit)


async def collect(pieces: AsyncIterator[bytes | memoryview]) -> bytes:
    return b"".join([bytes(piece) async for piece in pieces])


class Kept:
    """A kept variant with these bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.head = Head("image/png", len(body), '"tag"', 0.0)
        self.available = len(body)
        self.whole = True

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        yield self.body[start:stop]


async def test_reader_before_the_first_byte_gets_all_of_them() -> None:
    made = stream()
    reading = asyncio.gather(collect(made.read()), collect(made.read()))
    await settle()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"ab")
    await settle()
    made.append(b"cd")
    made.finish()
    assert list(await reading) == [b"abcd", b"abcd"]


async def test_reader_at_half_time_gets_the_first_half_at_once() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"first")
    late = made.read()
    assert await anext(late) == b"first"
    assert made.available == 5
    assert not made.whole
    await late.aclose()


async def test_reader_of_a_range_ends_before_the_producer_does() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"0123456789")
    assert await collect(made.read(2, 5)) == b"234"


async def test_finish_announces_the_length() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"abc")
    made.finish()
    assert made.head.length == 3
    assert made.whole


async def test_finish_with_fewer_bytes_than_announced_is_refused() -> None:
    made = stream()
    made.begin(Head("image/png", 4, '"tag"', 0.0), LOG_START, keeping=True)
    made.append(b"abc")
    with pytest.raises(InternalError):
        made.finish()


async def test_finish_of_an_empty_picture_is_refused() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    with pytest.raises(InternalError):
        made.finish()


async def test_failure_before_the_head_reaches_everybody_who_waits() -> None:
    made = stream()
    waiting = [asyncio.gather(made.started(), return_exceptions=True) for _ in range(3)]
    await settle()
    made.fail(ProcessorFailed("no"))
    results = [(await each)[0] for each in waiting]
    assert all(isinstance(result, ProcessorFailed) for result in results)
    assert len({id(result) for result in results}) == 3


async def test_failure_after_bytes_gives_the_bytes_and_then_the_error() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"half")
    made.fail(ProcessorFailed("cut"))
    reader = made.read()
    assert await anext(reader) == b"half"
    with pytest.raises(ProcessorFailed):
        await anext(reader)


async def test_newcomer_after_a_failure_gets_the_error_before_any_byte() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"half")
    made.fail(ProcessorFailed("cut"))
    with pytest.raises(ProcessorFailed):
        await made.started()


async def test_second_ending_changes_nothing() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"all")
    made.finish()
    made.fail(ProcessorFailed("late"))
    assert await collect(made.read()) == b"all"


async def test_cancelled_reader_leaves_the_others_alone() -> None:
    made = stream()
    gone = asyncio.gather(collect(made.read()))
    stays = asyncio.gather(collect(made.read()))
    await settle()
    gone.cancel()
    await settle()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"all")
    made.finish()
    assert list(await stays) == [b"all"]
    assert made.abandoned


async def test_moved_reader_goes_on_from_its_byte() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"01234")
    made.append(b"56789")
    made.finish()
    reader = made.read()
    assert await anext(reader) == b"01234"
    made.move(Kept(b"01234ABCDE"), LOG_START)
    assert await collect(reader) == b"ABCDE"
    assert made.moved
    assert made.available == 10


async def test_move_before_the_head_answers_from_the_kept_variant() -> None:
    made = stream()
    waiting = asyncio.gather(made.started())
    await settle()
    made.move(Kept(b"kept"), LOG_START)
    await waiting
    assert made.head.length == 4
    assert await collect(made.read()) == b"kept"


async def test_bytes_of_a_moved_stream_are_given_back() -> None:
    budget = Budget(1000)
    made = Stream(budget, 1000)
    made.begin(HEAD, LOG_START, keeping=True)
    made.append(b"x" * 600)
    made.finish()
    assert budget.used == 600
    made.move(Kept(b"x" * 600), LOG_START)
    assert budget.used == 0


async def test_bytes_of_a_stream_are_given_back_when_the_last_reader_lets_go() -> None:
    budget = Budget(1000)
    made = Stream(budget, 1000)
    made.begin(HEAD, LOG_START, keeping=False)
    made.append(b"x" * 600)
    made.finish()
    reader = made.read()
    await anext(reader)
    del made
    assert budget.used == 600
    await reader.aclose()
    del reader
    assert budget.used == 0


async def test_bytes_of_a_failed_stream_are_given_back_with_its_last_reader() -> None:
    budget = Budget(1000)
    made = Stream(budget, 1000)
    made.begin(HEAD, LOG_START, keeping=False)
    made.append(b"x" * 600)
    reader = made.read()
    await anext(reader)
    made.fail(ProcessorFailed("cut"))
    made.retire()
    assert budget.used == 600
    await reader.aclose()
    assert budget.used == 0
    with pytest.raises(ProcessorFailed):
        await collect(made.read())


async def test_picture_past_its_limit_is_refused() -> None:
    made = stream(limit=10)
    made.begin(HEAD, LOG_START, keeping=True)
    with pytest.raises(VariantTooLarge):
        made.append(b"x" * 11)


async def test_picture_past_the_limit_of_all_is_refused() -> None:
    made = stream(total=10)
    made.begin(HEAD, LOG_START, keeping=True)
    with pytest.raises(Overloaded):
        made.append(b"x" * 11)


async def test_announced_picture_without_room_gives_nobody_its_head() -> None:
    budget = Budget(100)
    made, other = Stream(budget, 80), Stream(budget, 80)
    made.begin(replace(HEAD, length=60), LOG_START, keeping=True)
    with pytest.raises(Overloaded):
        other.begin(replace(HEAD, length=60), LOG_START, keeping=True)
    with pytest.raises(VariantTooLarge):
        other.begin(replace(HEAD, length=81), LOG_START, keeping=True)
    with pytest.raises(InternalError):
        _ = other.head
    assert budget.used == 60


async def test_announced_bytes_are_counted_once() -> None:
    budget = Budget(100)
    made = Stream(budget, 100)
    made.begin(replace(HEAD, length=60), LOG_START, keeping=True)
    made.append(b"x" * 40)
    assert budget.used == 60
    made.append(b"x" * 40)
    assert budget.used == 80


async def test_head_before_the_beginning_is_refused() -> None:
    with pytest.raises(InternalError):
        _ = stream().head


async def test_large_append_is_cut_into_pieces() -> None:
    made = stream()
    made.begin(HEAD, LOG_START, keeping=True)
    body = bytes(range(256)) * 1024
    made.append(body)
    made.finish()
    sizes = [len(piece) async for piece in made.read()]
    assert max(sizes) == CHUNK
    assert await collect(made.read()) == body


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20),
    st.integers(0, 900),
    st.integers(0, 900),
)
def test_any_range_of_any_pieces_is_the_slice(parts: list[bytes], a: int, b: int) -> None:
    body = b"".join(parts)
    start, stop = sorted((min(a, len(body)), min(b, len(body))))

    async def run() -> bytes:
        made = stream()
        made.begin(HEAD, LOG_START, keeping=True)
        for part in parts:
            made.append(part)
        made.finish()
        return await collect(made.read(start, stop))

    assert asyncio.run(run()) == body[start:stop]


@given(st.data())
def test_any_interleaving_gives_every_reader_the_whole(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.binary(min_size=1, max_size=10), min_size=1, max_size=10))
    joins = data.draw(st.lists(st.integers(0, len(parts)), max_size=8))
    count = len(parts) + 1
    pauses = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))

    async def run() -> list[bytes]:
        made = stream()
        made.begin(HEAD, LOG_START, keeping=True)
        readers = []
        for number, part in enumerate([*parts, None]):
            readers += [asyncio.gather(collect(made.read())) for join in joins if join == number]
            await settle(pauses[number])
            if part is None:
                made.finish()
            else:
                made.append(part)
        return [(await reader)[0] for reader in readers]

    assert asyncio.run(run()) == [b"".join(parts)] * len(joins)
