import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from imcaxy.clock import Clock
from imcaxy.server.access_log import AccessLog
from imcaxy.server.application import Application, Route
from imcaxy.server.listening import Listener, Patience
from imcaxy.server.policy import HttpPolicy
from tests.fakes.house import House, Open
from tests.fakes.proxy import ScriptedProxy

ON_BOTH_LOOPS = {
    "test_answers",
    "test_fuzz",
    "test_listening",
    "test_protocol",
    "test_sendfile",
    "test_two_roads",
    "test_unsent",
}


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests of what happens on the wire run on asyncio's own transports and on uvloop's."""
    if item.path.stem in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def serving() -> Open:
    """Open a server: `async with serving(policy=…, patience=…) as house`."""

    @contextlib.asynccontextmanager
    async def opened(
        policy: HttpPolicy | None = None,
        patience: Patience | None = None,
        extra_routes: tuple[Route, ...] = (),
    ) -> AsyncIterator[House]:
        lines: list[bytes] = []
        proxy, clock = ScriptedProxy(), Clock()
        application = Application(
            proxy,
            policy or HttpPolicy(),
            lambda: opened_house.health,
            clock,
            AccessLog(lines.append, clock),
            extra_routes,
        )
        listener = Listener(application, clock, patience)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        opened_house = House(application, listener, proxy, listening.getsockname()[1], lines)
        await listener.start([listening])
        try:
            yield opened_house
        finally:
            for wire in opened_house.wires:
                wire.close()
            await listener.drain(0.2)
            assert listener.connections == 0

    return opened


@pytest.fixture
async def house(serving: Open) -> AsyncIterator[House]:
    """A server with default settings."""
    async with serving() as opened:
        yield opened
