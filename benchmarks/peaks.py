"""The memory that pictures really take in a child, beside what `cost` said that they would.

`python benchmarks/peaks.py` prints the table of docs/decisions/admission.md. A fresh child makes
each picture; the kernel tells its highest resident memory, from which an idle child's is taken.
"""

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyvips

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imcaxy.errors import ImcaxyError
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.processors.base import Cost
from imcaxy.processors.vips.children import Child, Program
from imcaxy.processors.vips.cost import Options, cost
from imcaxy.sources.base import Original
from imcaxy.sources.picture_header import read_header
from tests.faults import processes

MIB = 1024 * 1024
Saver = Callable[[pyvips.Image], bytes]


class Row(NamedTuple):
    """One picture: what it should take, and what it took."""

    label: str
    told: Cost
    memory: int  # bytes above those of an idle child
    seconds: float


def _deep(image: pyvips.Image) -> pyvips.Image:
    return (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")


def _film(image: pyvips.Image) -> pyvips.Image:
    frame = image.thumbnail_image(640, height=480, size="force")
    frames = [frame.linear(1, shade).cast("uchar") for shade in range(20)]
    film = pyvips.Image.arrayjoin(frames, across=1).copy()
    film.set_type(pyvips.GValue.gint_type, "page-height", 480)
    film.set_type(pyvips.GValue.array_int_type, "delay", [50] * 20)
    return film


_AVIF = {"compression": "av1", "effort": 0, "Q": 50, "keep": "none"}
SOURCES: dict[str, tuple[int, int, Saver]] = {
    "jpeg 2": (1920, 1080, lambda it: it.jpegsave_buffer(Q=85)),
    "jpeg 12": (4000, 3000, lambda it: it.jpegsave_buffer(Q=85)),
    "jpeg 24": (6000, 4000, lambda it: it.jpegsave_buffer(Q=85)),
    "jpeg 24 progressive": (6000, 4000, lambda it: it.jpegsave_buffer(Q=85, interlace=True)),
    "jpeg 24 progressive 4:4:4": (6000, 4000, lambda it: it.jpegsave_buffer(Q=95, interlace=True)),
    "png 12": (4000, 3000, lambda it: it.pngsave_buffer(compression=1)),
    "png 12 interlaced": (4000, 3000, lambda it: it.pngsave_buffer(compression=1, interlace=True)),
    "png 12 alpha": (4000, 3000, lambda it: it.bandjoin(200).pngsave_buffer(compression=1)),
    "png 12 16-bit": (4000, 3000, lambda it: _deep(it).pngsave_buffer(compression=1)),
    "webp 12": (4000, 3000, lambda it: it.webpsave_buffer(Q=80, effort=0)),
    "webp 12 alpha": (4000, 3000, lambda it: it.bandjoin(200).webpsave_buffer(Q=80, effort=0)),
    "webp 12 lossless": (4000, 3000, lambda it: it.webpsave_buffer(lossless=True, effort=0)),
    "avif 12": (4000, 3000, lambda it: it.heifsave_buffer(**_AVIF)),
    "avif 12 alpha": (4000, 3000, lambda it: it.bandjoin(200).heifsave_buffer(**_AVIF)),
    "avif 12 10-bit": (4000, 3000, lambda it: _deep(it).heifsave_buffer(bitdepth=10, **_AVIF)),
    "tiff 12": (4000, 3000, lambda it: it.tiffsave_buffer()),
    "tiff 12 tiled": (4000, 3000, lambda it: it.tiffsave_buffer(tile=True)),
    "gif 2": (1920, 1080, lambda it: it.gifsave_buffer(effort=1)),
    "gif 20 frames": (1920, 1080, lambda it: _film(it).gifsave_buffer(effort=1)),
    "webp 20 frames": (1920, 1080, lambda it: _film(it).webpsave_buffer(effort=0)),
}
_SMALL: dict[str, object] = {"width": 500}
_JPEG: dict[str, object] = {"width": 500, "type": "jpeg"}
_MORE: tuple[tuple[str, str, str], ...] = (
    ("jpeg 2", "convert", "type=jpeg"),
    ("jpeg 2", "convert", "type=webp"),
    ("jpeg 2", "convert", "type=avif"),
    ("jpeg 2", "convert", "type=png"),
    ("jpeg 2", "convert", "type=png palette=1"),
    ("jpeg 2", "convert", "type=gif"),
    ("jpeg 2", "convert", "type=tiff"),
    ("jpeg 12", "convert", "type=avif"),
    ("jpeg 12", "blur", "sigma=5"),
    ("jpeg 12", "smartcrop", "width=2000 height=2000"),
    ("jpeg 12", "enlarge", "width=6000 height=4500"),
    ("jpeg 24", "resize", "width=4000"),
    ("jpeg 24", "rotate", "rotate=90"),
    ("jpeg 24", "convert", "type=webp"),
    ("png 12 alpha", "rotate", "rotate=90"),
    ("webp 12", "resize", "width=3000"),
    ("gif 20 frames", "convert", "type=webp"),
)
CASES = (
    *((name, "resize", "width=500" + " type=jpeg" * ("avif" in name)) for name in SOURCES),
    *_MORE,
)


def options_of(text: str) -> dict[str, object]:
    """Parameters as the grammar gives them."""
    pairs = (item.split("=") for item in text.split())
    return {name: int(value) if value.isdigit() else value for name, value in pairs}


def body(name: str) -> bytes:
    """A source: a photograph with noise."""
    width, height, save = SOURCES[name]
    sample = str(Path(__file__).resolve().parents[1] / "samples" / "coffee.jpg")
    image = pyvips.Image.thumbnail(sample, width, height=height, size="force")
    noise = pyvips.Image.gaussnoise(width, height, sigma=6, seed=1)
    clean = (image + noise).cast("uchar").copy(interpretation="srgb").copy_memory()
    return save(clean)


async def measure(name: str, operation: str, text: str, data: bytes) -> Row:
    """One picture in a fresh child. Raises ImcaxyError when it cannot be made."""
    original, options = _original(name, data), options_of(text)
    told = cost([(operation, options)], [original])
    used, spent = await _taken(original, [(operation, options)], None)
    return Row(f"{name}, {operation} {text}", told, used, spent)


async def measure_burst(name: str, widths: Sequence[int], kind: str, data: bytes) -> Row:
    """Several widths in a fresh child that holds their pixels."""
    original = _original(name, data)
    steps = [("resize", {"width": width, "type": kind}) for width in widths]
    costs = [cost([step], [original]) for step in steps]
    pixels = max(each.pixels.memory for each in costs if each.pixels)
    told = Cost(max(each.memory for each in costs) + pixels, max(each.seconds for each in costs))
    used, spent = await _taken(original, steps, "burst")
    return Row(f"{name}, burst", told, used, spent)


def _original(name: str, data: bytes) -> Original:
    facts = dataclasses.asdict(read_header(data))
    return Original(Source("url", name), data, digest="", as_of=LOG_START, **facts)


async def _taken(
    original: Original, steps: Sequence[tuple[str, Options]], burst: str | None
) -> tuple[int, float]:
    """Bytes and seconds."""
    child = await Child.start(Program(2048 * MIB))
    try:
        idle, before = processes.resident(child.pid), processes.cpu(child.pid)
        for operation, options in steps:
            request = {"steps": [(operation, options, False)], "formats": [original.format]}
            request |= {"pixels": 50_000_000, "bytes": 64 * MIB}
            await child.ask(request, [original.body], 64 * MIB, burst)
        return processes.peak(child.pid) - idle, processes.cpu(child.pid) - before
    finally:
        await child.end()


async def rows() -> list[Row]:
    """Every case."""
    bodies: dict[str, bytes] = {}
    found = []
    for name, operation, text in CASES:
        if name not in bodies:
            bodies[name] = body(name)
        try:
            found.append(await measure(name, operation, text, bodies[name]))
        except ImcaxyError as error:
            print(f"{name}, {operation}: {error}", file=sys.stderr)
    return found


def main() -> int:
    """Print the table; 1 when a picture took more than was told."""
    print("| source (Mpx), picture | MiB told | MiB taken | told / taken | s told | s taken |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    over = 0
    for label, told, memory, seconds in asyncio.run(rows()):
        ratio = told.memory / memory
        over += ratio < 1
        print(
            f"| {label} | {told.memory / MIB:.0f} | {memory / MIB:.0f} | {ratio:.1f} | "
            f"{told.seconds:.2f} | {seconds:.2f} |"
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
