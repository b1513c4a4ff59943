from types import SimpleNamespace

import aiohttp
import pytest

from imcaxy import kept_connections
from imcaxy.kept_connections import asked
from tests.fakes.origin import origin, reply, sending


@pytest.mark.parametrize(
    ("reused", "at_once", "raises"), [(True, 0.5, False), (True, -1.0, True), (False, 0.5, True)]
)
async def test_silence_that_was_over_before_a_kept_connection_was_used_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, reused: bool, at_once: float, raises: bool
) -> None:
    monkeypatch.setattr(kept_connections, "AT_ONCE", at_once)
    async with (
        origin(sending(reply("200 OK", b"picture"))) as server,
        aiohttp.ClientSession() as pooled,
        aiohttp.ClientSession() as fresh,
    ):

        async def ask(
            session: aiohttp.ClientSession, connection: SimpleNamespace
        ) -> aiohttp.ClientResponse:
            if session is pooled:
                connection.reused = reused
                raise aiohttp.SocketTimeoutError
            return await session.get(server.url)

        if raises:
            with pytest.raises(aiohttp.SocketTimeoutError):
                await asked(pooled, fresh, ask)
        else:
            async with await asked(pooled, fresh, ask) as answer:
                assert await answer.read() == b"picture"
