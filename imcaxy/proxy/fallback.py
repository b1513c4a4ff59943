"""The verified source in place of a picture that could not be made."""

import hashlib
from collections.abc import AsyncGenerator, Callable

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.variant import CHUNK, Head, LogPosition
from imcaxy.sources.base import Original
from imcaxy.sources.downloads import Downloads


class SourceVariant:
    """An original's own bytes as a variant; never kept."""

    def __init__(self, original: Original, made_at: float) -> None:
        self._body = original.body
        tag = hashlib.sha256(f"source {original.digest}".encode()).hexdigest()[:32]
        self.head = Head(f"image/{original.format}", len(self._body), f'"{tag}"', made_at)
        self.available = len(self._body)
        self.whole = True

    async def read(
        self, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes | memoryview, None]:
        """Bytes `start` up to `stop` in pieces of at most CHUNK bytes."""
        end = len(self._body) if stop is None else min(stop, len(self._body))
        for offset in range(start, end, CHUNK):
            yield memoryview(self._body)[offset : min(offset + CHUNK, end)]


class Fallback:
    """Answers with the source where a picture was asked for (`IMCAXY_FALLBACK=source`)."""

    def __init__(
        self, downloads: Downloads, position: Callable[[], LogPosition], clock: Clock
    ) -> None:
        self._downloads = downloads
        self._position = position
        self._clock = clock

    async def source_of(self, request: ImageRequest, error: ImcaxyError) -> SourceVariant:
        """The request's original; raises `error` when it cannot be had either.

        One that an invalidation may have hit while it was read is not handed out (I2).
        """
        try:
            while True:
                position = self._position()
                async with self._downloads.hold(request.source, position) as original:
                    if position == self._position():
                        return SourceVariant(original, self._clock.wall())
        except ImcaxyError:
            raise error from None
