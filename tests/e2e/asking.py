"""A client that takes nothing but strict HTTP/1.1 (h11 is the judge), and what a server logged."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import h11
import orjson

from tests.e2e.server import Server

PATIENCE = 60.0  # seconds for one exchange
PIECE = 64 * 1024

Field = tuple[str, str]


@dataclass
class Reply:
    """One answer, as far as it was read."""

    status: int
    fields: list[Field]  # names in lower case
    body: bytes
    whole: bool  # whether its framing said that this is all; never by the connection's end alone

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        assert value is not None, f"no {name} in {self.fields}"
        return value

    def get(self, name: str) -> str | None:
        """The value of a field; fails when the answer has it twice."""
        found = [value for field, value in self.fields if field == name.lower()]
        assert len(found) < 2, f"{name} comes more than once: {found}"
        return found[0] if found else None

    def names(self, name: str) -> set[str]:
        """The members of a list field, in lower case."""
        return {part.strip().lower() for part in (self.get(name) or "").split(",") if part.strip()}

    @property
    def problem(self) -> dict[str, Any]:
        """The members of a problem document (RFC 9457)."""
        assert self["content-type"] == "application/problem+json"
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    def age(self, now: float) -> float:
        """How old a cache must take the answer to be at `now` (RFC 9111 §4.2.3), in seconds."""
        date = parsedate_to_datetime(self["date"]).timestamp()
        return max(0.0, now - date, float(self.get("age") or 0))


async def ask(
    port: int,
    target: str,
    *fields: Field,
    method: str = "GET",
    upto: int | None = None,
    host: str = "127.0.0.1",
) -> Reply:
    """One request on a connection of its own.

    Reads no more than is needed to have `upto` bytes of the body; 0 is the head alone. Fails on
    bytes that are not HTTP, and on bytes behind the answer.
    """
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method=method, target=target, headers=[("Host", host), *fields])
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            sent = [connection.send(request), connection.send(h11.EndOfMessage())]
            writer.write(b"".join(piece for piece in sent if piece))
            return await _reply(connection, reader, upto)
        finally:
            writer.close()


async def _reply(
    connection: h11.Connection, reader: asyncio.StreamReader, upto: int | None
) -> Reply:
    reply = Reply(0, [], b"", whole=False)
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            reply.status = event.status_code
            reply.fields = [(name.decode(), value.decode()) for name, value in event.headers]
        elif isinstance(event, h11.Data):
            reply.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert connection.trailing_data[0] == b"", "bytes behind the answer"
            reply.whole = True
            return reply
        elif event is h11.NEED_DATA:
            enough = reply.status and upto is not None and len(reply.body) >= upto
            if enough or not await _more(connection, reader):
                return reply
        else:
            assert isinstance(event, h11.InformationalResponse), event


async def _more(connection: h11.Connection, reader: asyncio.StreamReader) -> bool:
    """Hand on what comes next; False when the connection ended within the answer."""
    try:
        data = await reader.read(PIECE)
    except ConnectionError:
        return False
    if data:
        connection.receive_data(data)
    return bool(data)


def logged(server: Server, part: str = "/imaginary/") -> list[dict[str, Any]]:
    """The lines of the access log whose target has this part, in their order."""
    lines = (line for line in server.output.splitlines() if line.startswith('{"time"'))
    records: Iterable[dict[str, Any]] = (orjson.loads(line) for line in lines)
    return [record for record in records if "target" in record and part in record["target"]]
