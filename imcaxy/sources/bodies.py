"""Originals that clients send along: each is read once, by the job that it was sent for."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from imcaxy.errors import BodyTooLarge, Overloaded, SourceEmpty, SourceTimeout
from imcaxy.grammar.source import Source
from imcaxy.sources.base import Admit, Note


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is still on its way."""

    length: int | None  # bytes that it has at most; None when nobody has said
    chunks: AsyncIterator[bytes] = field(repr=False)  # raises ImcaxyError where it breaks off


class Bodies:
    """Reads what is on offer; implements SourceReader. `timeout` is seconds for a whole body."""

    def __init__(self, max_bytes: int, timeout: float) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._offered: dict[str, Body] = {}

    @contextmanager
    def offer(self, body: Body) -> Iterator[Source]:
        """A source of its own for this body, until the block is left."""
        name = secrets.token_hex(16)
        self._offered[name] = body
        try:
            yield Source("body", name)
        finally:
            self._offered.pop(name, None)

    async def read(self, source: Source, admit: Admit, note: Note | None = None) -> bytes:
        """The whole body, once; raises BodyTooLarge, SourceEmpty, SourceTimeout and its own.

        A job that has to begin anew (an overlay was purged meanwhile) finds no body: Overloaded,
        and the client may send it again.
        """
        body = self._offered.pop(source.value, None)
        if body is None:
            raise Overloaded(retry_after=1)
        if body.length is not None and body.length > self._max_bytes:
            raise self._too_large(body.length)
        await admit(self._max_bytes if body.length is None else body.length)
        try:
            async with asyncio.timeout(self._timeout):
                read = await self._whole(body)
        except TimeoutError:
            raise SourceTimeout(
                "The body of the request did not arrive in time.",
                accepted=f"within {self._timeout:g} seconds",
            ) from None
        if not read:
            raise SourceEmpty("The body of the request is empty.")
        return read

    async def close(self) -> None:
        """Nothing is open here."""

    async def _whole(self, body: Body) -> bytes:
        pieces, size = [], 0
        async for piece in body.chunks:
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large(size)
            pieces.append(piece)
        return b"".join(pieces)

    def _too_large(self, size: int) -> BodyTooLarge:
        return BodyTooLarge(value=f"{size} bytes", accepted=f"up to {self._max_bytes} bytes")
