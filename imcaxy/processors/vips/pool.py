"""A bounded number of children, each lent to one job at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from imcaxy.errors import Draining, ImcaxyError, Overloaded, ProcessorTimeout
from imcaxy.processors.vips.bursts import Bursts
from imcaxy.processors.vips.children import Answer, Child, Hello, Program
from imcaxy.tasks import Tasks

_log = logging.getLogger("imcaxy.processors.vips")

RETIRE_AFTER = 1000  # jobs; bounds what a leak, or a decoder that was taken over, can do
_CLOSE_TIMEOUT = 6.0  # seconds


class Pool:
    """Runs requests in children; never more than `processes` of them exist.

    `timeout` is seconds from the moment a child is free for the request to its whole answer; then
    the child is killed. `queue_timeout` is seconds that a request waits for a free child.
    """

    def __init__(
        self,
        program: Program,
        *,
        processes: int,
        timeout: float,
        queue_timeout: float = 30.0,
        retire_after: int = RETIRE_AFTER,
    ) -> None:
        self._program = program
        self._timeout = timeout
        self._queue_timeout = queue_timeout
        self._retire_after = retire_after
        self._processes = processes
        self._places = asyncio.Semaphore(processes)  # one is held by each child in use or dying
        self._idle: list[Child] = []  # last used, first taken: the others' memory can be swapped
        self._busy: set[Child] = set()
        self._bursts = Bursts(self._borrow, self._take_back, queue_timeout)
        self._starts, self._burials = Tasks(), Tasks()
        self._closed = False
        self.known: Hello | None = None  # what the first child said; None until it has started

    @property
    def children(self) -> tuple[Child, ...]:
        """Every child that is not being buried."""
        return (*self._idle, *self._busy)

    def prepare(self) -> None:
        """Have one child started in the background, unless one waits already."""
        if not self._idle and not self._closed:
            _ = self._starts.start(self._prepare(), "start a picture maker")

    async def hello(self) -> Hello:
        """What a child says of itself. Raises ProcessorUnavailable, Overloaded, Draining."""
        async with self._lent() as child:
            return child.hello

    async def run(
        self,
        request: Mapping[str, object],
        bodies: Sequence[bytes],
        most: int,
        burst: str | None = None,
    ) -> Answer:
        """The whole answer, of at most `most` bytes.

        Requests of one `burst` have the same source and are answered one after another by one
        child, which holds its pixels meanwhile.

        Raises what the child found wrong, ProcessorTimeout, ProcessorCrashed, ProcessorFailed,
        ProcessorUnavailable, Overloaded. A child that was left in the middle, also by cancelling
        this, is killed; nobody else's request is touched.
        """
        lent = self._lent() if burst is None else self._bursts.lent(burst)
        async with lent as child:
            try:
                async with asyncio.timeout(self._timeout):
                    return await child.ask(request, bodies, most, burst)
            except TimeoutError:
                raise ProcessorTimeout(accepted=f"up to {self._timeout:g} seconds") from None

    async def close(self) -> None:
        """Kill every child and wait until they are gone; running requests fail. Once is enough."""
        if self._closed:
            return
        self._closed = True
        await self._starts.drain(0)
        children = self.children
        self._idle.clear()
        await asyncio.gather(*(child.end() for child in children))
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                for _ in range(self._processes):  # nobody holds a child any more
                    await self._places.acquire()
        except TimeoutError:
            _log.error("picture makers are left behind")
        await self._burials.drain(_CLOSE_TIMEOUT)

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Child]:
        child = await self._borrow()
        try:
            yield child
        finally:
            self._take_back(child)

    async def _borrow(self) -> Child:
        await self._place()
        child = None
        try:
            child = self._waiting() or await Child.start(self._program)
            self._busy.add(child)
            self.known = self.known or child.hello
            self._check_open()  # closed meanwhile?
        except BaseException:
            if child is None:
                self._places.release()
            else:
                self._take_back(child)
            raise
        return child

    async def _place(self) -> None:
        self._check_open()
        try:
            async with asyncio.timeout(self._queue_timeout):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded(retry_after=1) from None
        try:
            self._check_open()  # closed meanwhile?
        except Draining:
            self._places.release()
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise Draining

    def _waiting(self) -> Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            _ = self._burials.start(
                child.end(), "bury a picture maker"
            )  # died while nobody used it
        return None

    def _take_back(self, child: Child) -> None:
        self._busy.discard(child)
        if child.clean and child.alive and child.jobs < self._retire_after and not self._closed:
            child.forget()
            self._idle.append(child)
            self._places.release()
        else:
            _ = self._burials.start(self._bury(child), "bury a picture maker")

    async def _bury(self, child: Child) -> None:
        """Free a child's place once its memory is free; then have another one ready."""
        try:
            if not await child.end():
                _log.error("a picture maker cannot be killed", extra={"pid": child.pid})
        finally:
            self._places.release()
        self.prepare()

    async def _prepare(self) -> None:
        try:
            await self.hello()
        except ImcaxyError as error:
            _log.warning("no picture maker could be started: %s", error)
