"""Requests over kept connections, any of which may have died since it was last used."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import aiohttp

# What the HTTP library raises when a connection turns out to be dead.
LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)
AT_ONCE = 0.5  # seconds; less than any silence that is allowed, more than a loaded machine takes

Ask = Callable[[aiohttp.ClientSession, SimpleNamespace], Awaitable[aiohttp.ClientResponse]]


def noting_reuse() -> aiohttp.TraceConfig:
    """What a session needs for `asked`: it notes when a request goes over a kept connection."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    return tracing


async def asked(
    pooled: aiohttp.ClientSession, fresh: aiohttp.ClientSession, ask: Ask
) -> aiohttp.ClientResponse:
    """The head of the answer, over a new connection when a kept one turned out dead.

    Who restarts ends all kept connections at once: only a new one, of the session that keeps none,
    tells whether anybody is there. `ask` sends the request over its session, with its second
    argument as the `trace_request_ctx`. Raises what it raises.
    """
    loop = asyncio.get_running_loop()
    connection, begun = SimpleNamespace(reused=False), loop.time()
    try:
        return await ask(pooled, connection)
    except LOST:
        if not connection.reused:
            raise
    except aiohttp.SocketTimeoutError:
        # 1. a body is whole while reading is paused  2. it is taken: reading goes on, and aiohttp
        # (3.14) times the silence  3. that is over while the connection is kept: the next request
        # fails at once with what was noted then
        if not connection.reused or loop.time() - begun > AT_ONCE:
            raise
    return await ask(fresh, connection)


async def _note_reuse(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    # Requests that no `asked` makes have no context.
    if (connection := context.trace_request_ctx) is not None:
        connection.reused = True
