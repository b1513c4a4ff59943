"""One read for all who need a source at once, within bounds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pyvips

from imcaxy.errors import (
    Draining,
    InternalError,
    Overloaded,
    SourceMissing,
    SourceRefused,
    SourceTooLarge,
    SourceUnsupported,
)
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.sources.base import Original
from imcaxy.sources.downloads import DownloadLimits, Downloads
from imcaxy.tasks import Tasks
from tests.fakes.clock import settle
from tests.fakes.sources import HeldReader

A, B = Source("url", "http://a/1.png"), Source("url", "http://a/2.png")
PNG: bytes = pyvips.Image.black(20, 10).pngsave_buffer()
LIMITS = DownloadLimits(
    max_pixels=1000, max_frames=4, max_bytes_held=1000, max_running=4, wait=0.05
)


def at(number: int) -> LogPosition:
    return LogPosition(number, f"request {number}")


def keys_of(source: Source) -> set[str]:
    return {source.value, "*"}


def png(_: Source) -> bytes:
    return PNG


class Callers:
    """Holders of originals that keep them until they are told to let go."""

    def __init__(self, downloads: Downloads) -> None:
        self.downloads = downloads
        self.tasks: list[asyncio.Task[Original]] = []
        self.let_go = asyncio.Event()
        self.got: list[Original] = []

    def ask(self, source: Source = A, as_of: LogPosition = LOG_START) -> asyncio.Task[Original]:
        """A caller that keeps its original until `let_go`; `self.tasks` has it too."""
        task = asyncio.get_running_loop().create_task(self._ask(source, as_of))
        self.tasks.append(task)
        return task

    async def _ask(self, source: Source, as_of: LogPosition) -> Original:
        async with self.downloads.hold(source, as_of) as original:
            self.got.append(original)
            await self.let_go.wait()
            return original


@asynccontextmanager
async def serving(reader: HeldReader, limits: DownloadLimits = LIMITS) -> AsyncIterator[Callers]:
    tasks = Tasks()
    callers = Callers(Downloads({"url": reader}, limits, tasks, keys_of))
    try:
        yield callers
    finally:
        callers.let_go.set()
        reader.go.set()
        await asyncio.gather(*callers.tasks, return_exceptions=True)
    await settle()
    assert len(tasks) == 0
    assert callers.downloads.bytes_held == 0
    assert not callers.downloads._joinable


async def fails(task: Coroutine[Any, Any, Any] | asyncio.Task[Any], error: type[Exception]) -> Any:
    with pytest.raises(error) as caught:
        async with asyncio.timeout(5):
            await task
    return caught.value


async def test_hold_describes_the_original() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        reader.go.set()
        callers.let_go.set()
        assert await callers.ask(A, at(3)) == Original(
            source=A,
            body=PNG,
            format="png",
            width=20,
            height=10,
            frames=1,
            digest=hashlib.sha256(PNG).hexdigest(),
            as_of=at(3),
            pixel=2,
        )


async def test_hold_several_at_once_share_one_read() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        first, second = callers.ask(), callers.ask()
        await settle()
        other = callers.ask(B)
        await settle()
        assert reader.started == 2
        reader.go.set()
        callers.let_go.set()
        assert await first is await second
        assert (await other).source == B


async def test_hold_while_another_still_holds_it_joins_without_a_read() -> None:
    reader = HeldReader(png)
    reader.go.set()
    async with serving(reader) as callers:
        _ = callers.ask()
        await settle()
        _ = callers.ask()
        await settle()
        assert reader.started == 1
        assert callers.got[0] is callers.got[1]
        assert callers.downloads.bytes_held == len(PNG)


async def test_hold_after_everybody_let_go_reads_again() -> None:
    reader = HeldReader(png)
    reader.go.set()
    async with serving(reader) as callers:
        callers.let_go.set()
        await callers.ask()
        assert callers.downloads.bytes_held == 0
        await callers.ask()
        assert reader.started == 2


async def test_hold_running_read_that_is_too_old_is_not_joined() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        old = callers.ask(A, at(1))
        await settle()
        new = callers.ask(A, at(2))
        await settle()
        joins = callers.ask(A, at(1))  # newer than needed is fine
        await settle()
        assert reader.started == 2
        reader.go.set()
        callers.let_go.set()
        assert (await old).as_of == at(1)
        assert (await new).as_of == at(2)
        assert await joins is await new


async def test_hold_one_cancelled_the_other_gets_the_original() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        leaving, staying = callers.ask(), callers.ask()
        await settle()
        leaving.cancel()
        await settle()
        assert reader.cancelled == 0
        reader.go.set()
        callers.let_go.set()
        assert (await staying).body == PNG


async def test_hold_last_one_cancelled_ends_the_read() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        both = [callers.ask(), callers.ask()]
        await settle()
        for task in both:
            task.cancel()
        await settle()
        assert reader.cancelled == 1
        assert callers.downloads.bytes_held == 0
        reader.go.set()
        callers.let_go.set()
        assert (await callers.ask()).body == PNG  # and the next one is not hurt by it


async def test_hold_read_cancelled_before_its_first_step_is_draining() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        waiting = callers.ask()
        await settle(1)  # the caller has asked, its read has not had its first step
        running = callers.downloads._joinable[A].task
        assert running is not None
        running.cancel()
        await fails(waiting, Draining)
        assert reader.started == 0


async def test_hold_failure_is_raised_afresh_to_each_and_not_joined_later() -> None:
    def missing(_: Source) -> bytes:
        raise SourceMissing("Not there.", value="1.png")

    reader = HeldReader(missing, announced=10)
    async with serving(reader) as callers:
        first, second = callers.ask(), callers.ask()
        await settle()
        assert callers.downloads.bytes_held == 10
        reader.go.set()
        errors = [await fails(first, SourceMissing), await fails(second, SourceMissing)]
        assert errors[0] is not errors[1]
        assert errors[0].to_record() == errors[1].to_record()
        assert callers.downloads.bytes_held == 0
        await fails(callers.ask(), SourceMissing)
        assert reader.started == 2


async def test_hold_unforeseen_failure_is_an_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Source) -> bytes:
        raise ZeroDivisionError

    async with serving(HeldReader(broken)) as callers:
        error = await fails(callers.ask(), InternalError)
        assert "ZeroDivisionError" not in error.detail
    assert "ZeroDivisionError" in caplog.text


async def test_hold_kind_without_reader_is_refused() -> None:
    async with serving(HeldReader(png)) as callers:
        await fails(callers.ask(Source("file", "a")), SourceRefused)


async def test_hold_more_pixels_than_allowed_names_both_numbers() -> None:
    reader = HeldReader(png)
    reader.go.set()
    async with serving(reader, replace(LIMITS, max_pixels=199)) as callers:
        error = await fails(callers.ask(), SourceTooLarge)
        assert "200 pixels" in error.value
        assert "199 pixels" in error.accepted


async def test_hold_more_frames_than_allowed_names_both_numbers() -> None:
    stack = pyvips.Image.xyz(4, 12)[1].linear(20, 0).cast("uchar")  # frames that differ
    stack.set_type(pyvips.GValue.gint_type, "page-height", 4)
    reader = HeldReader(lambda _: stack.gifsave_buffer())
    reader.go.set()
    async with serving(reader, replace(LIMITS, max_frames=2)) as callers:
        error = await fails(callers.ask(), SourceTooLarge)
        assert (error.value, error.accepted) == ("3 frames", "at most 2 frames")


async def test_hold_no_picture_is_unsupported() -> None:
    reader = HeldReader(lambda _: b"<svg/>")
    reader.go.set()
    async with serving(reader) as callers:
        await fails(callers.ask(), SourceUnsupported)


async def test_hold_large_body_is_checked_in_a_thread() -> None:
    body: bytes = pyvips.Image.black(2000, 2000).pngsave_buffer(compression=0)
    reader = HeldReader(lambda _: body)
    reader.go.set()
    limits = replace(LIMITS, max_pixels=2000 * 2000, max_bytes_held=len(body))
    async with serving(reader, limits) as callers:
        callers.let_go.set()
        assert (await callers.ask()).digest == hashlib.sha256(body).hexdigest()


async def test_hold_bytes_past_the_bound_wait_and_go_on_when_there_is_room() -> None:
    reader = HeldReader(png, announced=600)
    async with serving(reader, replace(LIMITS, wait=5)) as callers:
        _ = callers.ask(A)
        _ = callers.ask(B)
        await settle()
        assert (reader.admitted, callers.downloads.bytes_held) == (1, 600)
        reader.go.set()
        await settle()  # the first read ended and gave back what did not come
        assert reader.admitted == 2
        assert callers.downloads.bytes_held == 2 * len(PNG)


async def test_hold_bytes_past_the_bound_for_too_long_is_overloaded() -> None:
    reader = HeldReader(png, announced=600)
    async with serving(reader) as callers:
        _ = callers.ask(A)
        await settle()
        error = await fails(callers.ask(B), Overloaded)
        assert error.retry_after == LIMITS.wait
        assert callers.downloads.bytes_held == 600


async def test_hold_more_bytes_than_can_ever_be_held_is_too_large() -> None:
    async with serving(HeldReader(png, announced=1001)) as callers:
        await fails(callers.ask(), SourceTooLarge)


async def test_hold_more_reads_than_allowed_wait_and_past_the_deadline_are_overloaded() -> None:
    reader = HeldReader(png)
    async with serving(reader, replace(LIMITS, max_running=1)) as callers:
        first = callers.ask(A)
        await settle()
        await fails(callers.ask(B), Overloaded)
        assert reader.started == 1
        reader.go.set()
        callers.let_go.set()
        await first
        await callers.ask(B)


async def test_apply_newer_record_of_a_key_detaches_the_download() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        _ = callers.ask(A, at(4))
        _ = callers.ask(B, at(4))
        await settle()
        callers.downloads.apply(5, [A.value])
        _ = callers.ask(A, at(4))
        _ = callers.ask(B, at(4))
        await settle()
        assert reader.started == 3


@pytest.mark.parametrize(
    ("number", "keys"),
    [pytest.param(4, ["*"], id="not newer"), pytest.param(5, ["x", "y"], id="other keys")],
)
async def test_apply_anything_else_leaves_it_joinable(number: int, keys: list[str]) -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        _ = callers.ask(A, at(4))
        await settle()
        callers.downloads.apply(number, keys)
        _ = callers.ask(A, at(4))
        await settle()
        assert reader.started == 1


async def test_apply_detached_original_is_not_handed_to_new_callers() -> None:
    reader = HeldReader(png)
    reader.go.set()
    async with serving(reader) as callers:
        _ = callers.ask(A, at(1))
        await settle()
        callers.downloads.apply(2, ["*"])
        _ = callers.ask(A, at(1))
        await settle()
        assert reader.started == 2


async def test_forget_leaves_nothing_joinable() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        _ = callers.ask(A, at(9))
        await settle()
        callers.downloads.reset(0)
        _ = callers.ask(A, at(9))
        await settle()
        assert reader.started == 2


async def test_hold_tasks_drained_while_waiting_is_draining() -> None:
    reader = HeldReader(png)
    async with serving(reader) as callers:
        waiting = callers.ask()
        await settle()
        await callers.downloads._tasks.drain(0)
        await fails(waiting, Draining)


@pytest.mark.parametrize("seed", range(20))
async def test_hold_any_order_of_joins_and_leaves_ends_with_nothing_held(seed: int) -> None:
    turn: Callable[[], int] = iter(hashlib.shake_128(bytes([seed])).digest(400)).__next__
    reader = HeldReader(png)
    async with serving(reader, replace(LIMITS, wait=5)) as callers:
        for _ in range(100):
            choice = turn() % 8
            if choice < 3:
                _ = callers.ask((A, B)[turn() % 2], at(turn() % 3))
            elif choice < 5 and callers.tasks:
                callers.tasks[turn() % len(callers.tasks)].cancel()
            elif choice == 5:
                reader.go.set()
            elif choice == 6:
                callers.downloads.apply(turn() % 3, ["*"])
            await asyncio.sleep(0)
