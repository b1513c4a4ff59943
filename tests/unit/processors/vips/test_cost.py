"""The measured side of the table is `benchmarks/peaks.py`; a part of it is held here."""

import dataclasses

import pytest

from benchmarks import peaks
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.processors.base import Cost
from imcaxy.processors.vips.cost import Options, cost
from imcaxy.sources.base import Original

MIB = 1024 * 1024


def original(
    kind: str = "jpeg", width: int = 6000, height: int = 4000, frames: int = 1, held: int = 0
) -> Original:
    return Original(
        source=Source("url", "http://a.example/1"),
        body=b"1234",
        format=kind,
        width=width,
        height=height,
        frames=frames,
        digest="",
        as_of=LOG_START,
        pixel=3,
        held=held,
    )


def told(source: Original, operation: str = "resize", **options: object) -> Cost:
    asked: Options = options or {"width": 500}
    return cost([(operation, asked)], [source])


def test_cost_of_a_large_jpeg_that_is_shrunk_while_it_is_read_is_small() -> None:
    assert told(original()).memory < 20 * MIB


def test_cost_of_a_picture_that_is_read_whole_counts_every_pixel() -> None:
    pixels = 6000 * 4000
    assert told(original(held=3 * pixels)).memory > 3 * pixels
    for kind in ("avif", "png", "tiff", "gif"):
        assert told(original(kind)).memory > 3 * pixels


def test_cost_counts_what_comes_out_and_in_which_format() -> None:
    small, large = told(original(), width=400), told(original(), width=4000)
    assert large.memory > small.memory + 6 * 4000 * 2666
    avif = told(original(), width=4000, type="avif")
    assert avif.memory > large.memory
    assert avif.seconds > 4 * large.seconds


def test_cost_counts_frames_only_where_they_are_kept() -> None:
    film = original("gif", 640, 480, frames=100)
    assert told(film, width=300).memory > 2 * told(film, width=300, type="jpeg").memory


def test_cost_counts_overlays_and_every_step() -> None:
    source = original("jpeg", 1920, 1080)
    one = cost([("convert", {})], [source])
    assert cost([("watermarkimage", {})], [source, original("png")]).memory > one.memory + 90 * MIB
    assert cost([("convert", {}), ("rotate", {"rotate": 90})], [source]).memory > one.memory


def test_cost_of_what_cannot_be_made_is_that_of_reading() -> None:
    assert told(original(), "resize", quality=50).memory > 0
    assert told(original(), "extract", areawidth=9, areaheight=9, left=9000).memory > 0


def test_cost_of_info_is_next_to_nothing() -> None:
    info = told(original("avif"), "info", quality=1)
    assert info.seconds < 0.01
    assert info.memory < 20 * MIB


def test_cost_names_the_pixels_where_decoding_them_is_most_of_the_work() -> None:
    for source in (original(), original(held=1), original("tiff", 4000, 3000)):
        assert told(source, width=500).pixels is not None
    assert told(original("png", 4000, 3000), width=500).pixels == ("/1", 4000 * 3000 * 3)
    assert told(original(), width=500).pixels == ("/8", 750 * 500 * 3)


def test_cost_names_no_pixels_where_encoding_takes_longer_or_little_is_gained() -> None:
    assert told(original("png"), width=3000, type="avif").pixels is None
    assert told(original("jpeg", 1920, 1080), width=500).pixels is None
    assert told(original("png"), "info", quality=1).pixels is None


def test_cost_names_no_pixels_that_are_too_many_or_not_alone() -> None:
    assert told(original("png", 6000, 4000), width=500).pixels is None
    assert told(original("gif", 640, 480, frames=100), width=300).pixels is None
    assert told(original("gif", 2000, 2000, frames=9), width=300, type="jpeg").pixels is not None
    both = [original("tiff", 2000, 2000), original("png", 9, 9)]
    assert cost([("watermarkimage", {})], both).pixels is None


def test_cost_names_other_pixels_for_another_shrink_or_source() -> None:
    keys = [told(original(), width=width).pixels for width in (320, 480, 640, 960, 1280)]
    assert [each and each.key for each in keys] == ["/8", "/8", "/4", "/4", "/2"]
    other = dataclasses.replace(original(), digest="other")
    assert told(other, width=320).pixels != keys[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "operation", "text"),
    [
        ("jpeg 24", "resize", "width=500"),
        ("jpeg 24 progressive", "resize", "width=500"),
        ("jpeg 12", "convert", "type=webp"),
        ("png 12 interlaced", "resize", "width=500"),
        ("avif 12", "resize", "width=500 type=jpeg"),
        ("jpeg 2", "convert", "type=avif"),
    ],
)
async def test_cost_is_no_less_than_what_a_child_takes(
    name: str, operation: str, text: str
) -> None:
    row = await peaks.measure(name, operation, text, peaks.body(name))
    assert row.memory <= row.told.memory <= 4 * row.memory + 16 * MIB, row


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jpeg 24 progressive", "png 12 alpha", "webp 12", "avif 12"])
async def test_cost_of_a_burst_is_no_less_than_what_a_child_takes(name: str) -> None:
    widths = (320, 480, 640)
    row = await peaks.measure_burst(name, widths, "jpeg", peaks.body(name))
    assert row.memory <= row.told.memory <= 4 * row.memory + 16 * MIB, row
