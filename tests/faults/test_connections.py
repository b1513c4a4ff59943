"""More connections than open files: they take the places of idle ones, and the server rests."""

import asyncio
from pathlib import Path

from tests.e2e.harness import Server, eventually
from tests.faults import processes

FILES = 600  # open files that the server may have
OPEN = FILES - 512  # 512 are its own
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def first_line(reader: asyncio.StreamReader) -> bytes:
    """The first line of an answer; nothing where the connection has ended."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def test_connections_past_the_open_files_are_bounded_and_the_server_rests(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path)
    server.launcher = ("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh")
    await server.start()
    try:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(FILES)]
        await eventually(lambda: server.connections() == OPEN)
        firsts = []
        for reader, writer in opened:
            writer.write(HEALTH)
            firsts.append(await first_line(reader))
        assert firsts.count(b"HTTP/1.1 200 OK\r\n") == OPEN
        refused = b"HTTP/1.1 503 Service Unavailable\r\n"  # while not one was idle
        assert set(firsts) <= {b"HTTP/1.1 200 OK\r\n", refused, b""}
        spent = processes.cpu(server.process.pid)
        await asyncio.sleep(1.0)
        assert processes.cpu(server.process.pid) - spent < 0.5
        for _, writer in opened:
            writer.close()
        await eventually(lambda: server.connections() == 0)
        assert (await server.client.get("/healthz")).status == 200
    finally:
        await server.client.close()
        await server.kill()
