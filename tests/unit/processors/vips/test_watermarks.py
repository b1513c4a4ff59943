"""Text and pictures drawn on pictures."""

import pytest
import pyvips

from imcaxy.grammar.image_request import Value
from imcaxy.processors.vips.processor import VipsProcessor
from tests.corpus import Photo, corpus, photo
from tests.unit.processors.vips.making import make

WHITE = (pyvips.Image.black(700, 500, bands=3) + 255).cast("uchar").copy(interpretation="srgb")
PAGE = Photo("page", WHITE.pngsave_buffer(), "png", 700, 500)


def ink(image: pyvips.Image) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is not white."""
    left, top, width, height = image.find_trim(background=[255, 255, 255], threshold=20)
    return left, top, width, height


async def drawn(vips: VipsProcessor, **options: Value) -> pyvips.Image:
    wish: dict[str, Value] = {"text": "Imcaxy", "opacity": 1.0, "noreplicate": True, **options}
    return (await make(vips, "watermark", wish, PAGE)).pixels()


async def test_text_once_begins_at_a_hundred_pixels(vips: VipsProcessor) -> None:
    left, top, width, height = ink(await drawn(vips))
    assert 98 <= left <= 104
    assert 98 <= top <= 110
    assert width > 20
    assert height > 8


async def test_text_is_repeated_over_the_whole_picture(vips: VipsProcessor) -> None:
    _, _, width, height = ink(await drawn(vips, noreplicate=False, textwidth=80, margin=110))
    assert width > 300
    assert height > 250


async def test_text_has_the_colour_and_opacity_asked_for(vips: VipsProcessor) -> None:
    full = await drawn(vips, color=(255, 0, 0), dpi=400, textwidth=500)
    assert full[1].min() < 5
    assert full[0].min() == 255
    soft = await drawn(vips, color=(255, 0, 0), dpi=400, textwidth=500, opacity=0.25)
    assert 185 <= soft[1].min() <= 200


async def test_text_is_larger_with_more_dots_and_wraps_at_its_width(vips: VipsProcessor) -> None:
    small, large = ink(await drawn(vips, dpi=72)), ink(await drawn(vips, dpi=300, textwidth=600))
    assert large[3] > small[3] * 2
    words = "some words that do not fit"
    narrow = ink(await drawn(vips, text=words, textwidth=60))
    wide = ink(await drawn(vips, text=words, textwidth=500))
    assert narrow[3] > wide[3]


async def test_text_font_is_that_asked_for(vips: VipsProcessor) -> None:
    plain, bold = await drawn(vips), await drawn(vips, font="sans bold 30", textwidth=400)
    assert ink(bold)[3] > ink(plain)[3]


@pytest.mark.parametrize("name", [item.name for item in corpus() if not item.broken][:40])
async def test_text_shows_on_every_picture_that_can_hold_it(vips: VipsProcessor, name: str) -> None:
    source = photo(name)
    options: dict[str, Value] = {"text": "XX", "opacity": 1.0, "type": "png", "width": 300}
    if min(source.width, source.height) < 30 or source.megapixels:
        return
    bare = (await make(vips, "thumbnail", {"type": "png", "width": 300}, source)).pixels()
    made = (await make(vips, "watermark", options, source)).pixels()
    assert (made.width, made.height) == (bare.width, bare.height)
    assert made.hasalpha() == bare.hasalpha()
    base = bare if bare.bands > 2 else bare.colourspace("srgb")
    assert (made - base).abs().max() > 10


async def test_text_on_a_tiny_picture_is_no_error(vips: VipsProcessor) -> None:
    made = await make(vips, "watermark", {"text": "A long text"}, photo("png-one-pixel"))
    assert made.pixels().width == 1


async def test_overlay_opacity_above_one_hardens_its_alpha(vips: VipsProcessor) -> None:
    layer = WHITE.crop(0, 0, 50, 50).bandjoin(100).copy(interpretation="srgb")
    logo = Photo("logo", layer.pngsave_buffer(), "png", 50, 50, alpha=True)
    night = Photo("night", (WHITE * 0).cast("uchar").pngsave_buffer(), "png", 700, 500)
    for opacity, shade in ((1.0, 100), (2.0, 200), (5.0, 255), (0.5, 50)):
        wish: dict[str, Value] = {"image": "http://logo.test/", "opacity": opacity}
        made = await make(vips, "watermarkimage", wish, night, logo)
        assert made.pixels()(10, 10)[0] == pytest.approx(shade, abs=2)
