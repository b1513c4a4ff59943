"""Leaving an engine that hangs, for another one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from imcaxy.errors import ProcessorUnavailable
from imcaxy.tasks import Tasks


class Hangs(ProcessorUnavailable):
    """An engine took the request, and neither answers it nor says that it is alive."""


@asynccontextmanager
async def broken_off(hangs: Callable[[], Awaitable[None]], tasks: Tasks) -> AsyncIterator[None]:
    """The block, broken off with Hangs when `hangs` returns before its end."""
    found = False

    async def watch(limit: asyncio.Timeout) -> None:
        nonlocal found
        await hangs()
        found = True
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as limit:
            watching = tasks.start(watch(limit), "watch an Imaginary server")
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if found:
            raise Hangs from None
        raise
