"""Animated GIF and WebP stay so, whatever is done to them; other formats show the first frame."""

import pytest
import pyvips

from imcaxy.errors import VariantTooLarge
from imcaxy.grammar.image_request import Value
from imcaxy.processors.vips.processor import VipsProcessor
from tests.corpus import Photo, photo
from tests.unit.processors.vips.making import difference, make, processor

ANIMATED = ("gif-animated", "webp-animated")


def frames(body: bytes) -> list[pyvips.Image]:
    film = pyvips.Image.new_from_buffer(body, "", n=-1)
    height = film.get_page_height()
    return [film.crop(0, top, film.width, height) for top in range(0, film.height, height)]


@pytest.mark.parametrize("name", ANIMATED)
@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize(
    ("operation", "options", "size"),
    [
        ("resize", {"width": 100}, (100, 67)),
        ("crop", {"width": 80, "height": 60}, (80, 60)),
        ("smartcrop", {"width": 80, "height": 60}, (80, 60)),
        ("rotate", {"rotate": 90}, (300, 451)),
        ("flip", {}, (451, 300)),
        ("extract", {"areawidth": 50, "areaheight": 40, "top": 200}, (50, 40)),
        ("watermark", {"text": "Hi"}, (451, 300)),
        ("zoom", {"factor": 1}, (902, 600)),
        ("resize", {"width": 200, "height": 300, "extend": "white"}, (200, 300)),
    ],
)
async def test_make_animation_keeps_every_frame(
    vips: VipsProcessor,
    name: str,
    kind: str,
    operation: str,
    options: dict[str, Value],
    size: tuple[int, int],
) -> None:
    made = await make(vips, operation, {**options, "type": kind}, photo(name))
    found = frames(made.body)
    assert made.media_type == f"image/{kind}"
    assert [(frame.width, frame.height) for frame in found] == [size] * 3
    film = pyvips.Image.new_from_buffer(made.body, "", n=-1)
    assert film.get("delay") == [100, 100, 100]


@pytest.mark.parametrize("name", ANIMATED)
async def test_make_animation_shows_its_frames_in_order(vips: VipsProcessor, name: str) -> None:
    made = await make(vips, "resize", {"width": 200}, photo(name))
    shown = frames(photo(name).body)
    for frame, original in zip(frames(made.body), shown, strict=True):
        small = original.resize(frame.width / original.width)
        assert difference(frame.flatten() if frame.hasalpha() else frame, small[:3]) < 15


async def test_make_smart_crop_of_an_animation_does_not_jump(vips: VipsProcessor) -> None:
    slope = (pyvips.Image.xyz(200, 100)[0] * 1.2).cast("uchar").bandjoin([0, 0])
    slope = slope.copy(interpretation="srgb")
    moving = [slope.draw_rect([255, 255, 0], left, 40, 30, 30, fill=True) for left in (10, 160)]
    film = pyvips.Image.arrayjoin(moving, across=1).copy()
    film.set_type(pyvips.GValue.gint_type, "page-height", 100)
    source = Photo("moving", film.webpsave_buffer(lossless=True), "webp", 200, 100)
    made = await make(vips, "smartcrop", {"width": 50, "height": 100}, source)
    first, second = (frame.crop(0, 90, 50, 10)[0].avg() for frame in frames(made.body))
    assert abs(first - second) < 5


@pytest.mark.parametrize("name", ANIMATED)
async def test_pipeline_of_an_animation_keeps_every_frame(vips: VipsProcessor, name: str) -> None:
    steps = '[{"operation":"fit","params":{"width":90,"height":90}},{"operation":"flop"}]'
    made = await make(vips, "pipeline", {"operations": steps}, photo(name))
    assert len(frames(made.body)) == 3


@pytest.mark.parametrize("kind", ["jpeg", "png", "avif", "tiff"])
async def test_make_animation_as_a_still_is_its_first_frame(vips: VipsProcessor, kind: str) -> None:
    made = await make(vips, "resize", {"width": 100, "type": kind}, photo("gif-animated"))
    first = frames(photo("gif-animated").body)[0].resize(100 / 451)
    pixels = made.pixels()
    assert (pixels.width, pixels.height) == (100, 67)
    assert difference(pixels[:3], first[:3]) < 15


async def test_make_animation_of_too_many_pixels_in_all_is_refused() -> None:
    maker = processor(max_pixels=300_000)  # one frame has 135,300
    with pytest.raises(VariantTooLarge) as caught:
        await make(maker, "convert", {"type": "webp"}, photo("gif-animated"))
    assert "3 frames" in str(caught.value.value)
    assert (await make(maker, "convert", {"type": "jpeg"}, photo("gif-animated"))).body
    await maker.close()
