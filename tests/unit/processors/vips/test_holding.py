"""The same request gives the same bytes, or the same error, in a burst and alone."""

import itertools
from typing import Any

import pytest
import pyvips

from imcaxy.errors import ImcaxyError
from imcaxy.processors.vips import decoding, holding
from imcaxy.processors.vips.decoding import Encoded
from imcaxy.processors.vips.holding import HeldSource
from imcaxy.processors.vips.operations import Limits, Made, Step, make
from tests.corpus import Photo, corpus, photo

LIMITS = Limits(50_000_000, 64 << 20)
TYPES = ("jpeg", "png", "webp")
# What may depend on how rows are asked for: each resampling, edges, turns, cuts and blurs.
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "third": ("resize", {"width": 150}),
    "odd": ("resize", {"width": 97, "height": 71, "force": True}),
    "nearly whole": ("resize", {"width": 400}),
    "padded": ("resize", {"width": 120, "height": 300, "extend": "mirror"}),
    "covered": ("crop", {"width": 130, "height": 200, "gravity": "east"}),
    "fitted": ("fit", {"width": 160, "height": 160}),
    "looked at": ("smartcrop", {"width": 100, "height": 100}),
    "grown": ("enlarge", {"width": 700, "height": 500}),
    "stretched": ("resize", {"width": 900, "height": 90, "force": True}),
    "turned": ("rotate", {"rotate": 270, "width": 150}),
    "mirrored": ("flop", {"height": 120}),
    "top": ("extract", {"areawidth": 50, "areaheight": 40, "top": 3}),
    "bottom": ("extract", {"areawidth": 50, "areaheight": 40, "top": 250, "width": 300}),
    "zoomed": ("zoom", {"factor": 1}),
    "blurred": ("blur", {"sigma": 1.5, "width": 150}),
    "grey": ("resize", {"width": 120, "colorspace": "bw"}),
    "flat": ("resize", {"width": 120, "background": (9, 99, 199)}),
    "bare": ("thumbnail", {"width": 97, "stripmeta": True}),
    "as it is": ("convert", {"norotation": True}),
    "told": ("info", {}),
}
ALWAYS = ("third", "grown", "top")  # the rest takes half a minute


def outcome(source: Encoded, step: Step, held: HeldSource | None) -> object:
    """The picture, or what went wrong."""
    try:
        return make([step], [source], LIMITS, held)
    except (ImcaxyError, MemoryError) as error:
        return type(error), str(error)


@pytest.mark.parametrize(
    "name",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in OPERATIONS],
)
def test_held_source_gives_what_each_picture_alone_gives(name: str) -> None:
    operation, options = OPERATIONS[name]
    different = []
    photos = [item for item in corpus() if not item.megapixels]
    for item, kind in zip(photos, itertools.cycle(TYPES), strict=False):
        source = Encoded(item.body, item.format)
        held = HeldSource(source)
        step = Step(operation, {**options, "type": kind})
        # Twice: the first has the pixels decoded, the second finds them.
        both = [outcome(source, step, held) for _ in range(2)]
        if both != [outcome(source, step, None)] * 2:
            different.append((item.name, kind))
    assert different == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_held_source_of_24_megapixels_gives_the_same_at_every_shrink(kind: str) -> None:
    item = photo("jpeg-24-megapixels")
    source = Encoded(item.body, item.format)
    held = HeldSource(source)
    for width in (320, 480, 640, 960, 1280, 320):
        step = Step("resize", {"width": width, "type": kind})
        assert outcome(source, step, held) == outcome(source, step, None)


class Counting:
    """How often a source is decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shrinks: list[int] = []
        real = decoding.from_pixels

        def from_pixels(source: Encoded, shrink: int, use: Any, **options: bool) -> Any:
            self.shrinks.append(shrink)
            return real(source, shrink, use, **options)

        monkeypatch.setattr(decoding, "from_pixels", from_pixels)


def sizes(item: Photo, *widths: int, **options: Any) -> list[object]:
    source = Encoded(item.body, item.format)
    held = HeldSource(source)
    return [outcome(source, Step("resize", {"width": width, **options}), held) for width in widths]


def test_pictures_of_one_shrink_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    sizes(photo("png-shipped"), 40, 90, 200, 451)
    assert counting.shrinks == [1]


def test_another_shrink_is_another_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    sizes(photo("jpeg-shipped"), 50, 55, 600, 620)
    assert len(counting.shrinks) == len(set(counting.shrinks)) == 2


def test_animation_is_read_by_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    sizes(photo("gif-animated"), 40, 60)
    assert counting.shrinks == [1, 1]


def test_first_frame_of_an_animation_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    sizes(photo("gif-animated"), 40, 60, type="jpeg")
    assert counting.shrinks == [1]


def test_pixels_past_the_bound_are_read_by_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    item = photo("png-shipped")
    monkeypatch.setattr(holding, "MAX_PIXELS_BYTES", item.width * item.height * 3 - 1)
    counting = Counting(monkeypatch)
    sizes(item, 40, 90)
    assert counting.shrinks == [1, 1, 1]  # the first of them is the look at how many there are


def test_deep_pixels_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    item = photo("png-16-bit")
    monkeypatch.setattr(holding, "MAX_PIXELS_BYTES", item.width * item.height * 3 * 2 - 1)
    counting = Counting(monkeypatch)
    sizes(item, 40, 90)
    assert len(counting.shrinks) == 3


def test_no_memory_for_the_pixels_costs_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_memory(_: pyvips.Image) -> pyvips.Image:
        raise MemoryError

    monkeypatch.setattr(holding, "_in_memory", in_memory)
    assert all(isinstance(one, Made) for one in sizes(photo("png-shipped"), 40, 90))
