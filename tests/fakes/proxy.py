"""A proxy whose pictures are scripted byte by byte."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import NamedTuple

from imcaxy.grammar.variant import CHUNK, Head
from imcaxy.proxy.base import Asked, AtHand, CacheStatus, Plan, Served

MADE_AT = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
ETAG = '"0123456789abcdef"'
HIT = CacheStatus(hit=True, detail="memory")
MISS = CacheStatus(hit=False, fwd="miss", stored=True)


class ScriptedVariant:
    """A running picture: the test gives bytes, ends it or fails it."""

    def __init__(self, length: int | None = None, media_type: str = "image/webp") -> None:
        self.head = Head(media_type, length, ETAG, MADE_AT)
        self.whole = False
        self.readers = 0
        self.reads: list[tuple[int, int | None]] = []
        self._data = bytearray()
        self._error: Exception | None = None
        self._last_error: Exception | None = None
        self._changed = asyncio.Event()

    @property
    def available(self) -> int:
        return len(self._data)

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    def give(self, data: bytes) -> "ScriptedVariant":
        self._data += data
        self._wake()
        return self

    def end(self) -> "ScriptedVariant":
        self.head = replace(self.head, length=len(self._data))
        self.whole = True
        self._wake()
        return self

    def fail(self, error: Exception) -> "ScriptedVariant":
        self._error = error
        self._wake()
        return self

    def fail_at_the_end(self, error: Exception) -> "ScriptedVariant":
        """Give every byte, and then no normal end: a digest that does not fit."""
        self._last_error = error
        return self.end()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes | memoryview, None]:
        self.reads.append((start, stop))
        self.readers += 1
        try:
            while stop is None or start < stop:
                limit = min(start + CHUNK, len(self._data) if stop is None else stop)
                piece = bytes(self._data[start:limit])
                if piece:
                    start += len(piece)
                    yield memoryview(piece)
                elif self._error is not None:
                    raise self._error
                elif self.whole:
                    return
                else:
                    await self._changed.wait()
            if self._last_error is not None:
                raise self._last_error
        finally:
            self.readers -= 1


class LyingVariant(ScriptedVariant):
    """Announces a length that its bytes do not have, and gives more than was asked for."""

    def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes | memoryview, None]:
        return super().read(start, None)

    def end(self) -> "LyingVariant":
        self.whole = True
        self._wake()
        return self


def kept(body: bytes, media_type: str = "image/webp") -> ScriptedVariant:
    """A whole picture."""
    return ScriptedVariant(len(body), media_type).give(body).end()


class Copy(NamedTuple):
    """A picture in memory."""

    name: str
    tier: str
    length: int
    body: bytes
    blob: None = None


class ScriptedProxy:
    """Serves what the test put under an operation's name; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.pictures: dict[str, Served | Exception] = {}
        self.plans: dict[str, Plan | Exception] = {}
        self.gate: asyncio.Event | None = None  # held: serve() does not return before it is set
        self.serving = 0

    def put(
        self,
        operation: str,
        variant: ScriptedVariant,
        status: CacheStatus = HIT,
        vary: tuple[str, ...] = (),
    ) -> None:
        self.pictures[operation] = Served(variant, status, vary)
        self.plans[operation] = Plan(vary)

    def plan(self, asked: Asked) -> Plan:
        self.asked.append(asked)
        planned = self.plans.get(asked.operation, Plan(()))
        if isinstance(planned, Exception):
            raise planned
        return planned

    def recall(self, plan: Plan) -> AtHand | None:
        """A picture that is whole is in memory, unless the gate is shut."""
        names = [name for name, planned in self.plans.items() if planned is plan]
        found = self.pictures.get(names[0]) if names else None
        if not isinstance(found, Served) or not found.variant.whole or self.gate is not None:
            return None
        assert isinstance(found.variant, ScriptedVariant)
        body = found.variant.data
        return Copy(str(id(found.variant)), found.status.detail or "", len(body), body)

    async def serve(self, plan: Plan) -> Served:
        self.serving += 1
        operation = self.asked[-1].operation
        try:
            if self.gate is not None:
                await self.gate.wait()
            found = self.pictures[operation]
            if isinstance(found, Exception):
                raise found
            return found
        finally:
            self.serving -= 1
