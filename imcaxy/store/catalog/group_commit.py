"""Writes of one process, many to a transaction."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from imcaxy.clock import Clock
from imcaxy.store.catalog.connections import Connections
from imcaxy.store.threads import Threads, deadline

T = TypeVar("T")

_BATCH = 256  # writes; one that commits takes milliseconds, most of them for one fsync
_BACKLOG = 4096  # writes that may wait


class _Write(Generic[T]):
    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[sqlite3.Connection], T]) -> None:
        self.function = function
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()


class _Outcome(NamedTuple):
    value: Any
    error: Exception | None


class GroupCommit:
    """Runs writes on one thread; those that wait together share one transaction and one fsync.

    A write that fails is rolled back alone. A caller is answered after the commit. One whose
    deadline passes while its write waits, for its turn or for another process's lock, has written
    nothing; while it runs, perhaps.
    """

    def __init__(self, connections: Connections, clock: Clock, timeout: float) -> None:
        self._connections = connections
        self._clock = clock
        self._timeout = timeout
        self._thread = Threads("catalog-write", 1)
        self._thread.at_end(connections.close_mine)
        self._waiting: deque[_Write[Any]] = deque()
        self._running = False

    async def write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """What `function` returned, durable. Raises sqlite3.Error, OSError, TimeoutError.

        It may be called twice, the first time in a transaction that is rolled back.
        """
        if len(self._waiting) >= _BACKLOG:
            raise TimeoutError
        write = _Write(function)
        self._waiting.append(write)
        if not self._running:
            self._begin()
        with deadline(write.future, self._timeout):
            try:
                return await write.future
            except (TimeoutError, asyncio.CancelledError):
                with contextlib.suppress(ValueError):
                    self._waiting.remove(write)
                raise

    async def close(self) -> None:
        """End the thread; writes that wait fail."""
        for write in self._waiting:
            if not write.future.done():
                write.future.set_exception(TimeoutError())
        self._waiting.clear()
        await self._thread.close(self._timeout)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        self._running = bool(batch)
        if batch:
            self._thread.begin(lambda: self._commit(batch, loop))

    def _commit(self, batch: Sequence[_Write[Any]], loop: asyncio.AbstractEventLoop) -> None:
        until = self._clock.now() + self._timeout
        try:
            outcomes = self._connections.use(lambda mine: _transaction(mine, batch), until)
        except Exception as error:
            outcomes = [_Outcome(None, error)] * len(batch)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(self._settle, batch, outcomes)

    def _settle(self, batch: Sequence[_Write[Any]], outcomes: Sequence[_Outcome]) -> None:
        for write, outcome in zip(batch, outcomes, strict=True):
            if write.future.done():
                continue
            if outcome.error is None:
                write.future.set_result(outcome.value)
            else:
                write.future.set_exception(outcome.error)
        self._begin()


class _OneFailed(Exception):
    """A write of several failed, and none of them is written yet."""


def _transaction(
    connection: sqlite3.Connection, batch: Sequence[_Write[Any]]
) -> Sequence[_Outcome]:
    """All in one go; where one of them fails, all once more, each to be rolled back alone.

    A savepoint each would cost more than most writes do: two statements, and so two turns at the
    interpreter's lock, which the event loop wants, too.
    """
    if len(batch) > 1:
        with contextlib.suppress(_OneFailed):
            return _committed(connection, batch, _together)
    return _committed(connection, batch, _apart)


def _committed(
    connection: sqlite3.Connection,
    batch: Sequence[_Write[Any]],
    attempt: Callable[[sqlite3.Connection, _Write[Any]], _Outcome],
) -> Sequence[_Outcome]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [attempt(connection, write) for write in batch]
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _together(connection: sqlite3.Connection, write: _Write[Any]) -> _Outcome:
    if write.future.done():  # given up while BEGIN waited for a lock
        return _Outcome(None, None)
    try:
        return _Outcome(write.function(connection), None)
    except Exception as error:
        raise _OneFailed from error


def _apart(connection: sqlite3.Connection, write: _Write[Any]) -> _Outcome:
    if write.future.done():
        return _Outcome(None, None)
    connection.execute("SAVEPOINT one")
    try:
        value = write.function(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite undid everything (disk full, interrupted)
            raise
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return _Outcome(None, error)
    connection.execute("RELEASE one")
    return _Outcome(value, None)
