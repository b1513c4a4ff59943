"""Imitations of the port to originals."""

import asyncio
from collections.abc import Callable

from imcaxy.grammar.source import Source
from imcaxy.sources.base import Admit, Note, SourceReader, Validators


class HeldReader(SourceReader):
    """Answers when told to: each read waits for `go` after it was admitted.

    `answer` makes a source's body or raises; `announced` is what `admit` is asked for.
    """

    def __init__(self, answer: Callable[[Source], bytes], announced: int | None = None) -> None:
        self.answer = answer
        self.announced = announced
        self.go = asyncio.Event()
        self.started = 0
        self.admitted = 0
        self.cancelled = 0
        self.closed = False
        self.validators = Validators()

    async def read(self, source: Source, admit: Admit, note: Note | None = None) -> bytes:
        self.started += 1
        try:
            announced = self.announced
            await admit(len(self.answer(source)) if announced is None else announced)
            self.admitted += 1
            if note is not None:
                note(self.validators)
            await self.go.wait()
            return self.answer(source)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def close(self) -> None:
        self.closed = True
