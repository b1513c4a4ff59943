"""Requests over kept connections, any of which may have died since it was last used."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import aiohttp

# What the HTTP library raises when a connection turns out to be dead.
LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)

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
    connection = SimpleNamespace(reused=False)
    try:
        return await ask(pooled, connection)
    except LOST:
        if not connection.reused:
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
