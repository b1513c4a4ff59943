"""Blocking work on threads, with a deadline on the side that waits."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")


@contextlib.contextmanager
def deadline(future: asyncio.Future[T], timeout: float) -> Iterator[None]:
    """Around the wait for the future alone: TimeoutError in it after `timeout` seconds.

    Half of what `asyncio.timeout` costs, which interrupts whatever a task does.
    """
    timer = future.get_loop().call_later(timeout, _give_up, future)
    try:
        yield
    finally:
        timer.cancel()


def _give_up(future: asyncio.Future[T]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class _Work(Generic[T]):
    """One function, run on a thread for an event loop unless the loop gave it up before."""

    def __init__(self, function: Callable[[], T], late: Callable[[T], object] | None) -> None:
        self._function = function
        self._late = late
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        if self.future.done():
            return
        try:
            result = self._function()
        except BaseException as error:
            self._tell(self._fail, error)
            return
        if self.future.done() or not self._tell(self._deliver, result):
            self._drop(result)

    def _tell(self, receiver: Callable[[A], None], value: A) -> bool:
        try:
            self._loop.call_soon_threadsafe(receiver, value)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def _deliver(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)
        elif self._late is not None:
            # It may block (closing a file on a disk that hangs), and this is the loop's thread.
            threading.Thread(target=self._drop, args=(result,), daemon=True).start()

    def _drop(self, result: T) -> None:
        if self._late is not None:
            self._late(result)


class _Errand:
    """One function that nobody waits for."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def run(self) -> None:
        with contextlib.suppress(Exception):  # nobody could be told
            self._function()


class Threads:
    """Runs blocking functions on a few threads; nobody waits for one past a deadline.

    The threads are daemons and begin at the first call: one that hangs in the kernel keeps neither
    the process from ending nor a fork from being safe. At most `backlog` functions wait.
    """

    def __init__(self, name: str, count: int, backlog: int = 4096) -> None:
        self._name = name
        self._count = count
        self._backlog = backlog
        self._queue: SimpleQueue[_Work[object] | _Errand | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._farewells: list[Callable[[], object]] = []
        self._closed = False

    def at_end(self, farewell: Callable[[], object]) -> None:
        """Have `farewell` called on each thread when `close` ends it."""
        self._farewells.append(farewell)

    async def run(
        self,
        function: Callable[[], T],
        timeout: float,
        late: Callable[[T], object] | None = None,
    ) -> T:
        """What `function` returns or raises; TimeoutError after `timeout` seconds.

        Given up (deadline, cancellation) before its turn, it never runs. Given up while it runs,
        it runs to its end and its result goes to `late`, which may close it. A full backlog is a
        TimeoutError at once, and so is a call after `close`.
        """
        if self._closed or self._queue.qsize() >= self._backlog:
            raise TimeoutError
        self._begin()
        work = _Work(function, late)
        self._queue.put(work)  # type: ignore[arg-type]  # _Work is invariant; nobody looks at T
        with deadline(work.future, timeout):
            return await work.future

    def begin(self, function: Callable[[], object]) -> None:
        """Run `function` some time, at once when closed; nobody waits for it."""
        if self._closed:
            function()
            return
        self._begin()
        self._queue.put(_Errand(function))

    async def close(self, timeout: float) -> None:
        """End the threads, waiting for work under way at most `timeout` seconds."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        joining, self._threads = self._threads, []
        watcher = Threads("join", 1)
        for thread in joining:
            with contextlib.suppress(TimeoutError):
                await watcher.run(partial(thread.join, timeout), timeout)
        watcher.end()

    def end(self) -> None:
        """End the threads when what they have been given is done; wait for nothing."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)

    def _begin(self) -> None:
        while len(self._threads) < self._count:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            work.run()
            del work  # a result must not live until the next call
        for farewell in self._farewells:
            farewell()
