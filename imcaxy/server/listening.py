"""Listening sockets in, a serving and cleanly ending HTTP server out."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from imcaxy.clock import Clock
from imcaxy.server.answers import cut
from imcaxy.server.application import Application
from imcaxy.server.protocol import Protocol, Server

BACKLOG = 1024  # connections that wait to be accepted
TICK = 0.1  # seconds between two looks at what is still open while draining


@dataclass(frozen=True, slots=True)
class Patience:
    """How long connections are waited for, in seconds."""

    keepalive: float = 75.0  # for the next request; longer than a proxy in front keeps its own
    head: float = 10.0  # for the rest of a request head, from its first byte
    body: float = 2.0  # for the rest of a body that no handler has read
    grace: float = 0.5  # for a request that was on its way when draining began


class Listener:
    """Serves an application on sockets that are already bound."""

    def __init__(
        self, application: Application, clock: Clock, patience: Patience | None = None
    ) -> None:
        self._application = application
        self._clock = clock
        self._patience = patience or Patience()
        self._server: Server | None = None
        self._acceptors: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._server.open) if self._server is not None else 0

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on all of them; the sockets are owned, and closed, from now on."""
        self._server = Server(
            self._application,
            keepalive_timeout=self._patience.keepalive,
            head_timeout=self._patience.head,
            lingering_time=self._patience.body,
        )
        loop = asyncio.get_running_loop()
        for listener in sockets:
            listener.setblocking(False)
            acceptor = await loop.create_server(self._server, sock=listener, backlog=BACKLOG)
            self._acceptors.append(acceptor)

    async def drain(self, timeout: float) -> None:
        """Stop within `timeout` seconds: no new connections, running answers to their end.

        Every answer from now on ends its connection. A connection without a request is closed only
        after the grace, so that a request already on its way is answered. What is left at the end
        of `timeout` is cut, and its reader sees that it was.
        """
        if self._server is None:
            return
        end = self._clock.now() + timeout
        self._application.drain()
        for acceptor in self._acceptors:
            acceptor.close()
        quiet_until = min(self._clock.now() + self._patience.grace, end)
        resting: dict[Protocol, int] = {}  # idle connections at the last look: requests served
        while self._server.open and self._clock.now() < end:
            await self._clock.sleep(TICK)
            idle = {one: one.served for one in self._server.open if one.idle}
            if self._clock.now() >= quiet_until:
                for one, served in idle.items():
                    if resting.get(one) == served and not one.unread:
                        one.force_close()
            resting = idle
        for one in list(self._server.open):
            cut(one.transport)
            one.force_close()
        await asyncio.sleep(0)
        await self._server.shutdown(TICK)
