"""Pictures made by Imaginary servers, which get the original's bytes or fetch it themselves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from imcaxy.clock import Clock
from imcaxy.errors import (
    ImcaxyError,
    OperationUnsupported,
    Overloaded,
    ProcessingError,
    ProcessorFailed,
    ProcessorTimeout,
    ProcessorUnavailable,
)
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source
from imcaxy.processors.base import Cost, Picture
from imcaxy.processors.imaginary.asks import (
    FORMATS,
    Ask,
    fetches,
    forwarded,
    one_original,
    posted,
)
from imcaxy.processors.imaginary.choice import Standing, choose
from imcaxy.processors.imaginary.engine import AnswerLost, Begun, Bounds, Engine, at_the_edge
from imcaxy.processors.imaginary.silence import Hangs, broken_off
from imcaxy.sources.base import Original
from imcaxy.tasks import Tasks

# Without watermarkimage: Imaginary fetches the overlay itself, from wherever its URL points.
OPERATIONS = frozenset(
    (
        "autorotate",
        "blur",
        "convert",
        "crop",
        "enlarge",
        "extract",
        "fit",
        "flip",
        "flop",
        "info",
        "pipeline",
        "resize",
        "rotate",
        "smartcrop",
        "thumbnail",
        "watermark",
        "zoom",
    )
)
DOT = bytes.fromhex(  # a grey PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478da63"
    "68000000820081da45083b0000000049454e44ae426082"
)
_CONVERSION = Ask("convert", "/convert?type=jpeg", DOT)
_NO_FETCHING = Ask("info", "/info?url=%3A", None)  # an address that nobody can fetch from

_log = logging.getLogger("imcaxy.processors.imaginary")

Vet = Callable[[Source], Awaitable[None]]  # raises SourceError for what may not be fetched


class ImaginaryProcessor:
    """Makes pictures with Imaginary servers at `urls`.

    Each request goes to the server with the least work. One that cannot be reached, or is at its
    limit, is left alone for a while and another is asked; so is one that neither answers the
    request nor says that it is alive. One that died of the request is not replaced by another,
    because what killed it would kill the next.

    With `vet`, servers fetch the sources of kind "url", and overlays, by themselves; `vet` is asked
    before each. Without it they get the original's bytes, and overlays are not supported.
    """

    name = "imaginary"
    recipe = "1"
    formats = FORMATS

    def __init__(
        self, urls: Sequence[str], bounds: Bounds, clock: Clock, vet: Vet | None = None
    ) -> None:
        self._engines = [Engine(url, bounds) for url in urls]
        self._standings = [Standing() for _ in urls]
        self._bounds = bounds
        self._clock = clock
        self._vet = vet
        self._tasks = Tasks()
        self.operations = OPERATIONS if vet is None else OPERATIONS | {"watermarkimage"}

    @property
    def version(self) -> str:
        """The versions of all engines; what a picture was made with is in the picture."""
        return ", ".join(sorted({engine.version for engine in self._engines}))

    def cost(self, _request: ImageRequest, _originals: Sequence[Original]) -> Cost:
        """Nothing of this machine."""
        return Cost()

    def fetches(self, request: ImageRequest, source: Source) -> bool:
        """Whether the engines fetch this source of the request."""
        if self._vet is None:
            return False
        return source in request.overlays if source != request.source else fetches(request)

    async def start(self) -> None:
        """Open the connection pools and ask for the engines' versions, briefly."""
        await asyncio.gather(*(engine.start() for engine in self._engines))

    async def close(self) -> None:
        """Close every connection; running work is given up."""
        await self._tasks.drain(0.0)
        for engine in self._engines:
            await engine.close()

    async def check(self) -> str:
        """One line naming the engines, after each really converted a picture of one pixel."""
        await self.start()
        found: list[str] = []
        faults: list[ImcaxyError] = []
        for engine in self._engines:
            try:
                found.append(await self._checked(engine))
            except ImcaxyError as error:
                faults.append(error)
                found.append(f"{engine.host}: {error.detail}")
        line = "; ".join(found)
        if faults:
            raise type(faults[0])(line, value=faults[0].value, accepted=faults[0].accepted)
        return line

    @asynccontextmanager
    async def make(
        self, request: ImageRequest, originals: Sequence[Original], _burst: str | None = None
    ) -> AsyncIterator[Picture]:
        """The picture as Imaginary delivers it; entering waits for the first byte of its body.

        Raises RequestError, SourceError or Overloaded where Imaginary's answer means that,
        ProcessingError for everything else.
        """
        ask = await self._ask(request, originals)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._bounds.timeout
        first_byte = min(loop.time() + self._bounds.first_byte, deadline)
        number, begun = await self._begun(ask, first_byte)
        engine, standing = self._engines[number], self._standings[number]
        picture, chunks = engine.picture(begun, deadline)
        try:
            yield picture
            standing.answered()
        except (ProcessorTimeout, ProcessorFailed):
            standing.lost(self._clock.now())
            raise
        finally:
            standing.leave()
            await chunks.aclose()
            begun.response.close()

    async def _ask(self, request: ImageRequest, originals: Sequence[Original]) -> Ask:
        if request.operation not in self.operations or (request.overlays and self._vet is None):
            raise OperationUnsupported(
                "Imaginary would fetch the overlay by itself; it is not allowed to.",
                value="watermarkimage" if request.overlays else request.operation,
                accepted=", ".join(sorted(self.operations)),
            )
        if self._vet is not None:
            for source in request.sources:
                if self.fetches(request, source):
                    await self._vet(source)
        if self.fetches(request, request.source):
            return forwarded(request)
        return posted(request, one_original(request, originals))

    async def _begun(self, ask: Ask, deadline: float) -> tuple[int, Begun]:
        """The number of an engine and its answer; the engine stays taken."""
        tried: set[int] = set()
        hung = 0  # of those against which nothing spoke
        failed: ImcaxyError = ProcessorUnavailable()
        while (number := choose(self._standings, tried, self._clock.now())) is not None:
            tried.add(number)
            sound = self._standings[number].sound
            try:
                return number, await self._one(number, ask, deadline, tried)
            except AnswerLost as error:
                raise ProcessorUnavailable from error
            except ProcessorTimeout:
                raise
            except (ProcessorUnavailable, Overloaded) as error:
                hung += sound and isinstance(error, Hangs)
                if hung > 1:  # which may be the picture's doing
                    raise ProcessorTimeout from error
                failed = error.again()  # its traceback would hold the original's bytes
        raise failed

    async def _one(self, number: int, ask: Ask, deadline: float, tried: set[int]) -> Begun:
        """The answer of this engine, whose standing learns what came of it."""
        engine, standing = self._engines[number], self._standings[number]
        standing.take()
        try:
            with at_the_edge():
                async with asyncio.timeout_at(deadline), self._watched(number, tried):
                    begun = await engine.begin(ask)
        except BaseException as error:
            standing.leave()
            self._judge(standing, error)
            raise
        return begun

    @asynccontextmanager
    async def _watched(self, number: int, tried: set[int]) -> AsyncIterator[None]:
        """Breaks the block off with Hangs when this engine hangs and another could be asked.

        Only for one against which nothing speaks: where all are in doubt, waiting is best.
        """
        engine, doubtful = self._engines[number], not self._standings[number].sound
        others = [each for index, each in enumerate(self._standings) if index not in tried]

        async def hangs() -> None:
            await self._clock.sleep(0.0 if doubtful else self._bounds.silence)
            while not any(each.sound for each in others) or await engine.answers():
                await self._clock.sleep(self._bounds.silence)
            _log.warning("an Imaginary server hangs", extra={"engine": engine.host})

        if others:
            async with broken_off(hangs, self._tasks):
                yield
        else:
            yield

    def _judge(self, standing: Standing, error: BaseException) -> None:
        now = self._clock.now()
        match error:
            case AnswerLost() | ProcessorTimeout() | ProcessorFailed():
                standing.lost(now)
            case ProcessorUnavailable() | Overloaded():
                standing.unreachable(now, error.retry_after)
            case ImcaxyError():
                standing.answered()
            case _:
                pass  # cancelled: nothing was learnt

    async def _checked(self, engine: Engine) -> str:
        loop = asyncio.get_running_loop()
        with at_the_edge():
            async with asyncio.timeout(self._bounds.first_byte):
                begun = await engine.begin(_CONVERSION)
                picture, chunks = engine.picture(begun, loop.time() + self._bounds.timeout)
                try:
                    size = sum([len(chunk) async for chunk in picture.chunks])
                finally:
                    await chunks.aclose()
                    begun.response.close()
                if self._vet is not None:
                    await _may_fetch(engine)
        found = f"Imaginary at {engine.host} ({engine.version})"
        return f"{found} converted a picture to {size} bytes"


async def _may_fetch(engine: Engine) -> None:
    """Raises ProcessorFailed when the engine was started without fetching sources."""
    try:
        (await engine.begin(_NO_FETCHING)).response.close()
    except ProcessingError:
        raise
    except ImcaxyError:
        return  # it tried, and says that the address is none
