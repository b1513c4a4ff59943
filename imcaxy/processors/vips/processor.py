"""The processor that makes pictures with libvips, in child processes."""

import importlib.metadata
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from imcaxy.errors import OperationUnsupported, ProcessingError, ProcessorFailed
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.pipeline import request_steps
from imcaxy.grammar.source import Source
from imcaxy.processors.base import Cost, Picture
from imcaxy.processors.vips import cost
from imcaxy.processors.vips.children import Answer, Hello, Program
from imcaxy.processors.vips.formats import INFO_TYPE, MEDIA_TYPES
from imcaxy.processors.vips.geometry import OPERATIONS
from imcaxy.processors.vips.pool import Pool
from imcaxy.sources.base import Original

_OPERATIONS_VERSION = 3  # raised when the same request would give other bytes
_WHEEL = "pyvips-binary"
_Step = tuple[str, dict[str, Value], bool]  # operation, options, whether its failure is ignored
_PROBE = bytes.fromhex(  # a PNG of one grey pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


class VipsProcessor:
    """Makes pictures with libvips; implements Processor.

    A damaged picture, a crash or a hang costs the one request that met it. `memory` is bytes of
    address space of each of `processes` children, `timeout` seconds for one picture.
    """

    name = "vips"
    recipe = "2"
    operations = OPERATIONS | {"info", "pipeline"}

    def __init__(  # noqa: PLR0913 - limits, each of them a setting
        self,
        *,
        processes: int,
        timeout: float,
        memory: int,
        max_pixels: int,
        max_variant_bytes: int,
        queue_timeout: float = 30.0,
        program: Program | None = None,
    ) -> None:
        self._pool = Pool(
            program or Program(memory),
            processes=processes,
            timeout=timeout,
            queue_timeout=queue_timeout,
        )
        self._max_pixels = max_pixels
        self._max_variant_bytes = max_variant_bytes

    @property
    def pool(self) -> Pool:
        """The children, for whoever counts them."""
        return self._pool

    @property
    def formats(self) -> frozenset[str]:
        """Values of `type` that can be written; a guess until a first child has started."""
        known = self._pool.known
        return known.formats if known else frozenset(MEDIA_TYPES)

    @property
    def version(self) -> str:
        """The versions of libvips and of our operations.

        Exact once a picture has been made; until the first child has started, libvips' is that of
        the installed wheel, which differs only where the system's library is used instead.
        """
        known = self._pool.known
        return f"{known.libvips if known else _wheel()}-{_OPERATIONS_VERSION}"

    def fetches(self, _request: ImageRequest, _source: Source) -> bool:
        """Never: every source is read here."""
        return False

    async def start(self) -> None:
        """Begin to start the first child; returns at once."""
        self._pool.prepare()

    def cost(self, request: ImageRequest, originals: Sequence[Original]) -> Cost:
        """From the headers of the originals and the request; see `cost.cost`."""
        steps: cost.Steps = [
            (step.operation, dict(step.parameters)) for step in request_steps(request)
        ]
        return cost.cost(steps, originals)

    @asynccontextmanager
    async def make(
        self, request: ImageRequest, originals: Sequence[Original], burst: str | None = None
    ) -> AsyncIterator[Picture]:
        """The picture, whole when the block is entered. See Processor and Pool.run for errors."""
        steps = request_steps(request)
        for operation in (request.operation, *(step.operation for step in steps)):
            if operation not in self.operations:
                raise OperationUnsupported(value=operation)
        answer = await self._run(
            [(step.operation, dict(step.parameters), step.ignore_failure) for step in steps],
            [original.body for original in originals],
            [original.format for original in originals],
            burst,
        )
        yield Picture(answer.media_type, answer.length, _chunks(answer.pieces), self.version)

    async def check(self) -> str:
        """One line: libvips' version and the formats that it really wrote; and what slows it."""
        hello = await self._pool.hello()
        written = []
        for name in sorted(hello.formats):
            try:
                await self._run([("convert", {"type": name}, False)], [_PROBE], ["png"])
            except ProcessingError:
                continue
            written.append(name)
        if "jpeg" not in written:
            raise ProcessorFailed("libvips cannot write a JPEG picture.")
        line = f"libvips {hello.libvips}, formats {' '.join(written)}"
        return "; ".join([line, *_complaints(hello)])

    async def close(self) -> None:
        """Kill the children; pictures being made are given up."""
        await self._pool.close()

    async def _run(
        self, steps: list[_Step], bodies: list[bytes], formats: list[str], burst: str | None = None
    ) -> Answer:
        request = {
            "steps": steps,
            "formats": formats,
            "pixels": self._max_pixels,
            "bytes": self._max_variant_bytes,
        }
        answer = await self._pool.run(request, bodies, self._max_variant_bytes, burst)
        expected = {INFO_TYPE} if steps[0][0] == "info" else set(MEDIA_TYPES.values())
        if answer.media_type not in expected:
            raise ProcessorFailed
        return answer


def _complaints(hello: Hello) -> list[str]:
    found = []
    if not hello.api:
        found.append("warning: pyvips runs in ABI mode, which is slow")
    if hello.libvips != _wheel():
        found.append(
            "warning: not the libvips that pyvips[binary] brings; reinstall it with "
            "PKG_CONFIG_LIBDIR=/nonexistent set"
        )
    return found


def _wheel() -> str:
    try:
        return importlib.metadata.version(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


async def _chunks(pieces: deque[bytes]) -> AsyncIterator[bytes]:
    """Each piece once; what has been given is no longer held here."""
    while pieces:
        yield pieces.popleft()
