"""Whether several sizes of one source are cheaper from one decode: `python benchmarks/burst.py`.

Processor time of five widths of one picture, each made by itself as the server does, against one
decode at the largest scale that any of them needs, held in memory for the five.
"""

import statistics
import sys
import time
from pathlib import Path

import pyvips

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import peaks
from imcaxy.processors.vips.decoding import Encoded, from_pixels, header_of, read_header
from imcaxy.processors.vips.geometry import plan
from imcaxy.processors.vips.operations import Limits, Step, make

WIDTHS = (320, 480, 640, 960, 1280)
ROUNDS = 7
_LIMITS = Limits(50_000_000, 64 << 20)


def apart(source: Encoded, kind: str) -> None:
    """Each size from the source."""
    for width in WIDTHS:
        make([Step("resize", {"width": width, "type": kind})], [source], _LIMITS)


def together(source: Encoded, kind: str) -> None:
    """Every size from one picture in memory."""
    header = read_header(source, _LIMITS.pixels)
    sides = header.width, header.height
    options = {"width": max(WIDTHS), "type": kind}
    shrink = plan("resize", options, sides, header.orientation, source.format).shrink
    image = from_pixels(source, shrink, lambda it: it.copy_memory())
    for width in WIDTHS:
        scale = width / header_of(image).width
        small = image.resize(scale)
        if kind == "webp":
            small.webpsave_buffer(Q=75)
        else:
            small.jpegsave_buffer(Q=75, optimize_coding=True)


def main() -> None:
    """Medians of interleaved rounds."""
    pyvips.cache_set_max(0)
    print("| source (Mpx) | written | ms apart | ms together | saved |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name in ("jpeg 2", "jpeg 24", "jpeg 24 progressive", "png 12", "webp 12", "avif 12"):
        source = Encoded(peaks.body(name), name.split()[0])
        for kind in ("jpeg", "webp"):
            spent: dict[str, list[float]] = {"apart": [], "together": []}
            for _ in range(ROUNDS):
                for work in (apart, together):
                    before = time.process_time()
                    work(source, kind)
                    spent[work.__name__].append((time.process_time() - before) * 1000)
            one, other = (statistics.median(times) for times in spent.values())
            saved = 1 - other / one
            print(f"| {name} | {kind} | {one:.0f} | {other:.0f} | {saved:.0%} |", flush=True)


if __name__ == "__main__":
    main()
