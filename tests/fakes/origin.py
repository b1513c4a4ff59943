"""An origin on a real socket that answers with exactly the bytes it is told to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class Origin:
    """Listens on loopback; remembers every connection and every request head."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def origin(
    answer: Answer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Origin]:
    """One request per connection, answered by `answer(head, writer)`; then the connection ends."""
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        state.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                state.requests.append(head)
                await answer(head, writer)
                await writer.drain()
        finally:
            handlers.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    state = Origin(server.sockets[0].getsockname()[1])
    try:
        yield state
    finally:
        server.close()
        for task in list(handlers):
            task.cancel()
        while handlers:
            await asyncio.wait(handlers)
        await server.wait_closed()


def sending(*parts: bytes) -> Answer:
    """An answer of these bytes."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def reply(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole answer with Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return reply(status, b"", f"Location: {location}")
