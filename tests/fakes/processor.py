"""A processor whose pictures a test delivers piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from imcaxy.errors import ImcaxyError
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.processors.base import Cost, Picture
from imcaxy.sources.base import Original

_END = None


class Delivery:
    """One picture being made: the test sends its pieces, then ends or fails it."""

    def __init__(
        self, request: ImageRequest, originals: Sequence[Original], burst: str | None
    ) -> None:
        self.request = request
        self.originals = originals
        self.burst = burst
        self.length: int | None = None
        self.left = False
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | ImcaxyError | None] = asyncio.Queue()

    def begin(self, length: int | None = None) -> None:
        self.length = length
        self._begun.set_result(None)

    def refuse(self, error: BaseException) -> None:
        self._begun.set_exception(error)

    def send(self, piece: bytes) -> None:
        self._pieces.put_nowait(piece)

    def end(self, error: ImcaxyError | None = _END) -> None:
        self._pieces.put_nowait(error)

    def deliver(self, body: bytes) -> None:
        """The whole picture at once."""
        self.begin(len(body))
        self.send(body)
        self.end()

    async def begun(self) -> None:
        await self._begun

    async def chunks(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, ImcaxyError):
                raise piece
            yield piece


class FakeProcessor:
    """A Processor; `answer` is called for each picture, `deliveries` holds them all."""

    name = "fake"
    recipe = "1"
    version = "1"
    operations = frozenset({"resize", "info", "convert", "pipeline"})
    formats = frozenset({"webp", "jpeg", "png"})

    def __init__(self, body: bytes | None = None) -> None:
        """With a `body`, every picture is that one, at once."""
        self.fetched: frozenset[Source] = frozenset()  # sources that it reads itself
        self.deliveries: list[Delivery] = []
        self.costs = Cost()  # of every picture
        self._body = body
        self._asked = asyncio.Event()

    def cost(self, request: ImageRequest, originals: Sequence[Original]) -> Cost:
        return self.costs

    def fetches(self, request: ImageRequest, source: Source) -> bool:
        return source in self.fetched

    async def start(self) -> None:
        """Nothing to make ready."""

    @asynccontextmanager
    async def make(
        self, request: ImageRequest, originals: Sequence[Original], burst: str | None = None
    ) -> AsyncIterator[Picture]:
        delivery = Delivery(request, originals, burst)
        self.deliveries.append(delivery)
        self._asked.set()
        self._asked = asyncio.Event()
        if self._body is not None:
            delivery.deliver(self._body)
        try:
            await delivery.begun()
            yield Picture("image/webp", delivery.length, delivery.chunks(), self.version)
        finally:
            delivery.left = True

    async def delivery(self, number: int) -> Delivery:
        """The delivery with this index, when it has been asked for."""
        async with asyncio.timeout(5):
            while len(self.deliveries) <= number:
                await self._asked.wait()
        return self.deliveries[number]

    async def check(self) -> str:
        return "a fake"

    async def close(self) -> None:
        """Nothing to release."""
