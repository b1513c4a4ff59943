"""A served application, as tests see it."""

import json
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from imcaxy.server.application import Application
from imcaxy.server.listening import Listener
from imcaxy.server.policy import Health
from imcaxy.server.protocol import Protocol
from tests.fakes.proxy import ScriptedProxy
from tests.fakes.wire import Wire


@dataclass
class House:
    """A server on a real socket, and what can be seen of it."""

    application: Application
    listener: Listener
    proxy: ScriptedProxy
    port: int
    lines: list[bytes]
    health: Health = field(default_factory=Health)
    wires: list[Wire] = field(default_factory=list)

    async def wire(self, receive_buffer: int | None = None) -> Wire:
        opened = await Wire.open(self.port, receive_buffer)
        self.wires.append(opened)
        return opened

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    @property
    def open(self) -> Collection[Protocol]:
        server = self.listener._server
        assert server is not None
        return server.open


Open = Callable[..., AbstractAsyncContextManager[House]]
