"""The port to whatever makes pictures."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.sources.base import Original


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is being delivered."""

    media_type: str
    length: int | None  # bytes, when the engine announced it
    chunks: AsyncIterator[bytes]  # ends normally only when the body is whole; else ProcessingError
    version: str  # of the engine that makes it and its libraries: part of the ETag


class Pixels(NamedTuple):
    """The pixels that a picture is made from, as they come from the decoder."""

    key: str  # whatever has the same one is made from the same pixels
    memory: int  # bytes that holding them takes


class Cost(NamedTuple):
    """What making one picture takes of this machine, as far as can be told before it is made."""

    memory: int = 0  # bytes, at the peak
    seconds: float = 0.0  # of processor time
    pixels: Pixels | None = None  # where others gain by being made from them too


class Processor(Protocol):
    """Makes pictures from originals.

    Receives the canonical request only, never anything that the client wrote. The same request,
    originals and `version` give the same bytes, in a burst and alone.
    """

    @property
    def name(self) -> str:
        """Part of every signature."""
        ...

    @property
    def recipe(self) -> str:
        """Part of every signature: raising it makes every kept picture unreachable."""
        ...

    @property
    def version(self) -> str:
        """The engine's and its libraries' versions, for operators."""
        ...

    @property
    def operations(self) -> frozenset[str]:
        """What it can do; the rest is OperationUnsupported."""
        ...

    @property
    def formats(self) -> frozenset[str]:
        """Values of `type` that it can write."""
        ...

    async def start(self) -> None:
        """Make ready to work; must not wait for slow things that the first request can wait for."""
        ...

    def fetches(self, request: ImageRequest, source: Source) -> bool:
        """Whether it reads this source of the request itself; it gets no original for it then.

        It checks then that the source may be fetched, and no ETag can be told from the source.
        """
        ...

    def cost(self, request: ImageRequest, originals: Sequence[Original]) -> Cost:
        """What `make` with the same arguments will take; nothing where another machine makes it."""
        ...

    def make(
        self, request: ImageRequest, originals: Sequence[Original], burst: str | None = None
    ) -> AbstractAsyncContextManager[Picture]:
        """The picture, whose bytes may still be on their way.

        `burst` is the key of its pixels where others are made from them now: then they are made one
        after another, from one decode.

        `originals` stand in the order of `request.sources`, without those that it fetches itself.
        Entering raises ProcessingError when no byte has been made; where it fetches, SourceError
        too. Leaving the block early, or being cancelled, stops the work.
        """
        ...

    async def check(self) -> str:
        """One line that says what was found, after really trying; raises ProcessingError."""
        ...

    async def close(self) -> None:
        """Stop; running work is given up."""
        ...
