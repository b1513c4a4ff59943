"""Pictures that were made long ago."""

from tests.e2e.server import Server


async def make_older(server: Server, seconds: float) -> None:
    """Restart the server; everything that it keeps was then made so much earlier."""
    await server.stop()
    assert server.shelf.make_older(seconds) > 0
    await server.start()
