"""Pictures that were made long ago."""

import sqlite3

from tests.e2e.server import Server


async def make_older(server: Server, seconds: float) -> None:
    """Restart the server; everything that it keeps was then made so much earlier."""
    await server.stop()
    connection = sqlite3.connect(server.directory / "data" / "catalog.sqlite3")
    with connection:
        changed = connection.execute("UPDATE entries SET made_at = made_at - ?", (seconds,))
    connection.close()
    assert changed.rowcount > 0
    await server.start()
