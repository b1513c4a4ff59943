"""Clients that never stop asking, and what went wrong for them."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from select import select

from tests.e2e.harness import Getting, Response, Stack, digest

PATIENCE = 20.0  # seconds until a request without an end counts as failed


@dataclass
class Seen:
    """What all visitors have seen."""

    answers: Counter[str] = field(default_factory=Counter)  # by Cache-Status
    closed: int = 0  # answers that announced the end of their connection
    connections: int = 0
    retried: int = 0  # requests whose idle connection was closed as they were sent
    refused: list[str] = field(default_factory=list)  # connections
    broken: list[float] = field(default_factory=list)  # loop times of answers cut or missing
    wrong: list[str] = field(default_factory=list)  # answers that are not the picture


class Visitor:
    """Asks again and again, over one connection while that stays, or over a new one each time.

    It opens a new one when the server has closed the old one while it paused, as every client does.
    A request on a kept connection that ends before a byte of the answer is sent once more, as
    RFC 9112 §9.3.1 says, and counted.
    """

    def __init__(self, port: int, seen: Seen, *, keeps: bool) -> None:
        self._port = port
        self._seen = seen
        self._keeps = keeps
        self._used = 0  # requests on this connection
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, target: str, expected: str) -> None:
        """One exchange; whatever happens is noted."""
        try:
            async with asyncio.timeout(PATIENCE):
                response = await self._exchange(target)
                if response is not None and response.ending == "no answer" and self._used > 1:
                    self._seen.retried += 1
                    response = await self._exchange(target)
        except TimeoutError:
            self._seen.wrong.append(f"no answer within {PATIENCE} s")
            self.close()
            return
        if response is not None:
            self._judge(response, expected)

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def _is_over(self) -> bool:
        """Whether the server has closed the connection: it is readable although nothing is due."""
        if self._reader is None or self._writer is None:
            return False
        wire = self._writer.get_extra_info("socket").fileno()
        return self._reader.at_eof() or wire < 0 or bool(select([wire], [], [], 0)[0])

    async def _exchange(self, target: str) -> Response | None:
        if self._is_over():
            self.close()
        if self._writer is None or self._reader is None:
            try:
                opened = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                self._seen.refused.append(repr(error))
                return None
            self._reader, self._writer = opened
            self._seen.connections += 1
            self._used = 0
        self._used += 1
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        getting = Getting(self._reader, self._writer)
        await getting.read(2**40)
        last = getting.headers.get("connection") == "close"
        self._seen.closed += last
        response = getting.seen()
        if last or not self._keeps or not response.whole:
            self.close()
        return response

    def _judge(self, response: Response, expected: str) -> None:
        if not response.whole:
            self._seen.broken.append(response.last)
        elif response.status != 200 or digest(response.body) != expected:
            self._seen.wrong.append(f"{response.status} {response.body[:200]!r}")
        else:
            self._seen.answers[response.headers["cache-status"]] += 1


@asynccontextmanager
async def visiting(stage: Stack, body: bytes, *, keeping: int, coming: int) -> AsyncIterator[Seen]:
    """`keeping` visitors with kept connections and `coming` with new ones, while the block runs.

    One request of eight is for a picture that nobody has asked for before. Some visitors pause
    for longer than the server waits for idle connections when it drains.
    """
    seen, fresh, dice = Seen(), itertools.count(1000), random.Random(11)
    running = True

    async def visit(visitor: Visitor, longest: float) -> None:
        while running:
            width = next(fresh) if dice.random() < 1 / 8 else dice.randrange(10, 20)
            await visitor.ask(stage.target(width), digest(body))
            await asyncio.sleep(dice.uniform(0, longest))
        visitor.close()

    visitors = [
        Visitor(stage.server.port, seen, keeps=n < keeping) for n in range(keeping + coming)
    ]
    async with asyncio.TaskGroup() as group:
        for number, visitor in enumerate(visitors):
            longest = 0.9 if number % 3 == 0 else 0.03
            group.create_task(visit(visitor, longest))
        try:
            yield seen
        finally:
            running = False
