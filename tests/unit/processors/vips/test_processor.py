"""What the server sees of the processor: pictures, errors, and children that die."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import pyvips

from imcaxy.errors import (
    FormatUnsupported,
    ImcaxyError,
    MalformedParameter,
    MissingParameter,
    OperationUnsupported,
    ProcessorCrashed,
    ProcessorTimeout,
    SourceTooLarge,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.grammar.image_request import Value
from imcaxy.processors.base import Processor
from imcaxy.processors.vips.processor import VipsProcessor
from tests.corpus import Photo, corpus, photo, sample
from tests.fakes.wire import until
from tests.unit.processors.vips.making import MIB, Made, decoded, difference, make, processor

SLOW: dict[str, Value] = {"type": "png", "sigma": 60.0}  # seconds of work on 24 megapixels


def implements(maker: Processor) -> Processor:
    return maker


async def test_processor_is_one(vips: VipsProcessor) -> None:
    assert implements(vips) is vips
    assert vips.name == "vips"
    assert {"resize", "info", "pipeline", "watermarkimage"} <= vips.operations


async def test_version_names_libvips_before_and_after_the_first_picture(
    vips: VipsProcessor,
) -> None:
    before = vips.version
    await make(vips, "resize", {"width": 10}, photo("png-shipped"))
    assert vips.version == before
    assert f"{pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}" in vips.version


async def test_start_returns_before_a_child_is_there(vips: VipsProcessor) -> None:
    await vips.start()
    assert vips.pool.children == ()
    await until(lambda: vips.pool.children)
    assert "jpeg" in vips.formats


async def test_check_makes_a_picture_of_every_format(vips: VipsProcessor) -> None:
    line = await vips.check()
    assert line.startswith("libvips 8.")
    assert "formats avif gif jpeg png tiff webp" in line


async def test_make_same_request_gives_same_bytes_in_any_child() -> None:
    options: list[dict[str, Value]] = [
        {"width": 90, "type": kind} for kind in ("jpeg", "png", "webp", "avif")
    ]
    first, second = processor(), processor()
    for wish in options:
        one = await make(first, "resize", wish, photo("jpeg-p3"))
        other = await make(second, "resize", wish, photo("jpeg-p3"))
        assert one == other
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("operation", "options", "error"),
    [
        ("shrink", {"width": 5}, OperationUnsupported),
        ("watermark", {}, MissingParameter),
        ("watermark", {"text": "<b>never closed"}, MalformedParameter),
        ("resize", {}, MissingParameter),
        ("watermarkimage", {"image": "http://x.test/"}, MissingParameter),
        ("resize", {"width": 5, "type": "pdf"}, FormatUnsupported),
    ],
)
async def test_make_impossible_request_is_refused(
    vips: VipsProcessor, operation: str, options: dict[str, Value], error: type[ImcaxyError]
) -> None:
    with pytest.raises(error):
        await make(vips, operation, options, photo("png-shipped"))


async def test_make_unknown_source_format_is_refused(vips: VipsProcessor) -> None:
    page = Photo("drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg", 1, 1)
    with pytest.raises(ImcaxyError) as caught:
        await make(vips, "convert", {"type": "png"}, page)
    assert caught.value.status == 406


async def test_make_source_larger_than_announced_is_refused_unread() -> None:
    maker = processor(max_pixels=100_000)
    with pytest.raises(SourceTooLarge):
        await make(maker, "resize", {"width": 10}, photo("png-shipped"))
    await maker.close()


async def test_make_result_of_too_many_bytes_is_refused_and_the_child_stays() -> None:
    maker = processor(max_variant_bytes=20_000, processes=1)
    with pytest.raises(VariantTooLarge):
        await make(maker, "convert", {"type": "png"}, photo("jpeg-untagged"))
    (before,) = maker.pool.children
    assert (await make(maker, "resize", {"width": 50}, photo("jpeg-untagged"))).body
    assert maker.pool.children == (before,)
    await maker.close()


async def busy(maker: VipsProcessor) -> int:
    """The id of the child that has begun to work."""
    await until(lambda: any(not child.clean for child in maker.pool.children))
    return next(child.pid for child in maker.pool.children if not child.clean)


async def attempt(maker: VipsProcessor, options: dict[str, Value]) -> Made | ImcaxyError:
    try:
        return await make(maker, "convert", options, photo("jpeg-24-megapixels"))
    except ImcaxyError as error:
        return error


async def test_make_child_crashes_costs_that_request_and_no_other() -> None:
    maker = processor(processes=2)
    doomed = asyncio.gather(attempt(maker, SLOW))
    victim = await busy(maker)
    others = asyncio.gather(
        *(make(maker, "resize", {"width": 40 + n}, photo("png-shipped")) for n in range(10))
    )
    os.kill(victim, signal.SIGSEGV)
    (result,) = await doomed
    assert isinstance(result, ProcessorCrashed)
    assert result.status == 502
    assert [made.pixels().width for made in await others] == list(range(40, 50))
    assert victim not in {child.pid for child in maker.pool.children}
    await maker.close()


async def test_make_deadline_passes_is_a_timeout_and_the_next_request_works() -> None:
    maker = processor(processes=1, timeout=0.7)
    result = await attempt(maker, SLOW)
    assert isinstance(result, ProcessorTimeout)
    assert result.status == 504
    assert (await make(maker, "resize", {"width": 40}, photo("png-shipped"))).body
    await maker.close()


@pytest.mark.parametrize("memory", [80, 100, 120, 125, 130, 160])
async def test_make_memory_runs_out_costs_that_request_and_no_other(memory: int) -> None:
    maker = processor(processes=1, memory=memory * MIB)
    large = photo("jpeg-24-megapixels")
    wishes: list[dict[str, Value]] = [{"rotate": 90}, {"rotate": 90, "type": "avif"}]
    for wish in wishes:
        with pytest.raises((VariantTooLarge, ProcessorCrashed)):
            await make(maker, "rotate", wish, large)
        assert (await make(maker, "rotate", {"rotate": 90}, photo("jpeg-untagged"))).body
    await maker.close()


async def test_make_block_left_early_leaves_the_child_usable(vips: VipsProcessor) -> None:
    for _ in range(3):
        made = await make(vips, "resize", {"width": 33}, photo("jpeg-exif-6"))
        assert made.pixels().width == 33
    assert len(vips.pool.children) == 1


# Colours, alpha, metadata.


@pytest.mark.parametrize("name", ["jpeg-p3", "png-p3"])
async def test_make_wide_gamut_photo_looks_the_same_in_srgb(vips: VipsProcessor, name: str) -> None:
    source = photo(name)
    made = await make(vips, "convert", {"type": "png"}, source)
    shown = decoded(source.shown)
    raw = decoded(source.body)
    assert difference(made.pixels(), shown) < 2
    assert difference(raw, shown) > 2 * difference(made.pixels(), shown)  # or it tests nothing
    assert not made.pixels().get_typeof("icc-profile-data")


@pytest.mark.parametrize("name", ["jpeg-cmyk", "jpeg-cmyk-untagged"])
async def test_make_printed_photo_comes_out_in_srgb(vips: VipsProcessor, name: str) -> None:
    source = photo(name)
    made = await make(vips, "convert", {"type": "png"}, source)
    assert made.pixels().interpretation == "srgb"
    assert difference(made.pixels(), decoded(source.shown)) < 10


@pytest.mark.parametrize("name", ["jpeg-untagged", "png-shipped", "webp-lossless", "jpeg-grey"])
@pytest.mark.parametrize("stripped", [{}, {"stripmeta": True}, {"noprofile": True}])
async def test_make_untagged_photo_is_not_shifted(
    vips: VipsProcessor, name: str, stripped: dict[str, Value]
) -> None:
    source = photo(name)
    made = await make(vips, "convert", {"type": "png", **stripped}, source)
    assert difference(made.pixels(), decoded(source.body)) == 0


async def test_make_jpeg_of_alpha_lies_on_the_background(vips: VipsProcessor) -> None:
    source = photo("png-alpha")
    corners: list[tuple[dict[str, Value], list[int]]] = [
        ({}, [0, 0, 0]),
        ({"background": (0, 200, 0)}, [0, 200, 0]),
        ({"background": (255, 255, 255)}, [255, 255, 255]),
    ]
    clear = decoded(source.shown).new_from_image([10, 20, 30, 0]).copy(interpretation="srgb")
    empty = Photo("clear", clear.pngsave_buffer(), "png", clear.width, clear.height, alpha=True)
    for options, colour in corners:
        made = await make(vips, "resize", {"width": 60, "type": "jpeg", **options}, empty)
        assert made.media_type == "image/jpeg"
        assert all(abs(a - b) <= 3 for a, b in zip(made.pixels()(5, 5), colour, strict=True))


@pytest.mark.parametrize("name", [item.name for item in corpus() if item.alpha])
async def test_make_alpha_without_type_stays(vips: VipsProcessor, name: str) -> None:
    made = await make(vips, "resize", {"width": 60}, photo(name))
    assert made.media_type in ("image/png", "image/webp", "image/tiff")
    assert made.pixels().hasalpha()


@pytest.mark.parametrize(
    ("extend", "options", "pixel"),
    [
        ("black", {}, [0, 0, 0]),
        ("white", {}, [255, 255, 255]),
        ("background", {"background": (9, 99, 199)}, [9, 99, 199]),
    ],
)
async def test_make_padding_has_the_colour_asked_for(
    vips: VipsProcessor, extend: str, options: dict[str, Value], pixel: list[int]
) -> None:
    for name in ("jpeg-cmyk", "png-shipped", "jpeg-exif-6"):
        wish: dict[str, Value] = {"width": 90, "height": 300, "extend": extend, "type": "png"}
        made = (await make(vips, "resize", wish | options, photo(name))).pixels()
        assert (made.width, made.height) == (90, 300)
        assert made(2, 2) == pixel
        assert made(88, 298) == pixel


async def test_make_padding_without_a_colour_is_seen_through(vips: VipsProcessor) -> None:
    wish: dict[str, Value] = {"width": 300, "height": 300, "extend": "background"}
    clear = (await make(vips, "resize", wish, photo("png-alpha"))).pixels()
    assert clear(150, 3) == [0, 0, 0, 0]
    solid = (await make(vips, "resize", wish, photo("png-shipped"))).pixels()
    assert solid(150, 3) == [0, 0, 0]


@pytest.mark.parametrize("extend", ["copy", "mirror", "background"])
async def test_make_padding_works_on_every_kind_of_photo(vips: VipsProcessor, extend: str) -> None:
    wish: dict[str, Value] = {"width": 90, "height": 300, "extend": extend}
    wish |= {"background": (1, 2, 3)} if extend == "background" else {}
    for name in ("png-grey-alpha", "jpeg-grey", "webp-alpha", "png-16-bit", "gif-animated"):
        made = (await make(vips, "resize", wish, photo(name))).pixels()
        assert (made.width, made.height) == (90, 300)


def tagged(orientation: int) -> Photo:
    """A photograph with EXIF that tells who made it and which way is up."""
    image = sample("coffee.jpg").copy()
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "Rachel")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return Photo("tagged", image.jpegsave_buffer(Q=90), "jpeg", image.width, image.height)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
async def test_make_metadata_stays_unless_stripped(vips: VipsProcessor, kind: str) -> None:
    kept = (await make(vips, "resize", {"width": 90, "type": kind}, tagged(6))).pixels()
    assert kept.get("exif-ifd0-Artist").startswith("Rachel")
    assert kept.get("orientation") == 1
    wish: dict[str, Value] = {"width": 90, "type": kind, "stripmeta": True}
    bare = (await make(vips, "resize", wish, tagged(6))).pixels()
    assert not bare.get_typeof("exif-ifd0-Artist")
    assert (bare.width, bare.height) == (kept.width, kept.height)


async def test_make_without_rotation_leaves_pixels_and_tag(vips: VipsProcessor) -> None:
    made = await make(vips, "resize", {"width": 90, "norotation": True}, tagged(6))
    assert (made.pixels().width, made.pixels().height) == (90, 60)
    assert made.pixels().get("orientation") == 6


async def test_make_rotation_asked_for_replaces_the_tag(vips: VipsProcessor) -> None:
    made = (await make(vips, "rotate", {"rotate": 180, "type": "png"}, tagged(6))).pixels()
    assert made.get("orientation") == 1
    assert difference(made, sample("coffee.jpg").rot180()) < 4


# Overlays and pipelines.


def logo(width: int, height: int, *, alpha: bool = True) -> Photo:
    image = pyvips.Image.black(width, height).new_from_image([255, 0, 0])
    image = (image.bandjoin(255) if alpha else image).copy(interpretation="srgb")
    return Photo("logo", image.pngsave_buffer(), "png", width, height, alpha=alpha)


@pytest.mark.parametrize("alpha", [True, False])
async def test_watermarkimage_is_laid_where_asked(vips: VipsProcessor, alpha: bool) -> None:
    wish: dict[str, Value] = {"image": "http://x.test/", "left": 30, "top": 20, "type": "png"}
    made = await make(vips, "watermarkimage", wish, photo("png-shipped"), logo(10, 10, alpha=alpha))
    plain = await make(vips, "convert", {"type": "png"}, photo("png-shipped"))
    pixels, before = made.pixels(), plain.pixels()
    assert pixels(35, 25) == [255, 0, 0]
    assert pixels(29, 25) == before(29, 25)
    assert pixels.bands == 3


async def test_watermarkimage_opacity_blends(vips: VipsProcessor) -> None:
    wish: dict[str, Value] = {"image": "http://x.test/", "opacity": 0.5, "type": "png"}
    pixels = (await make(vips, "watermarkimage", wish, photo("jpeg-grey"), logo(9, 9))).pixels()
    grey = decoded(photo("jpeg-grey").body)(4, 4)[0]
    expected = [(grey + 255) / 2, grey / 2, grey / 2]
    assert all(abs(a - b) <= 2 for a, b in zip(pixels(4, 4), expected, strict=True))


@pytest.mark.parametrize(
    ("options", "overlay"),
    [
        ({"left": 451}, logo(5, 5)),
        ({}, Photo("broken", b"\x89PNG\r\n\x1a\nbroken", "png", 5, 5)),
    ],
)
async def test_watermarkimage_that_cannot_be_laid_is_refused(
    vips: VipsProcessor, options: dict[str, Value], overlay: Photo
) -> None:
    wish = {"image": "http://x.test/", **options}
    with pytest.raises(Undecodable):
        await make(vips, "watermarkimage", wish, photo("png-shipped"), overlay)


def pipeline(steps: str) -> dict[str, Value]:
    return {"operations": steps}


async def test_pipeline_of_a_preview_is_one_upright_picture(vips: VipsProcessor) -> None:
    steps = """[{"operation": "autorotate"}, {"operation": "fit", "params": {"width": 256,
        "height": 256, "stripmeta": "true", "type": "jpeg", "norotation": "true",
        "quality": "80"}}]"""
    for orientation in range(1, 9):
        made = await make(vips, "pipeline", pipeline(steps), photo(f"jpeg-exif-{orientation}"))
        assert made.media_type == "image/jpeg"
        expected = sample("rocket.jpg").resize(256 / 640, vscale=171 / 427)
        assert difference(made.pixels(), expected) < 6


async def test_pipeline_steps_follow_each_other(vips: VipsProcessor) -> None:
    steps = """[{"operation": "crop", "params": {"width": 200, "height": 100}},
        {"operation": "rotate", "params": {"rotate": 90}},
        {"operation": "zoom", "params": {"factor": 1}},
        {"operation": "convert", "params": {"type": "webp"}}]"""
    made = await make(vips, "pipeline", pipeline(steps), photo("png-shipped"))
    assert made.media_type == "image/webp"
    assert (made.pixels().width, made.pixels().height) == (200, 400)


async def test_pipeline_step_that_fails_but_may_is_left_out(vips: VipsProcessor) -> None:
    outside = """{"operation": "extract", "ignore_failure": %s,
        "params": {"areawidth": 9999, "areaheight": 1}}"""
    resize = '{"operation": "resize", "params": {"width": 80}}'
    ignored = outside % "true"
    for steps in (f"[{ignored},{resize}]", f"[{resize},{ignored}]"):
        made = await make(vips, "pipeline", pipeline(steps), photo("png-shipped"))
        assert (made.pixels().width, made.media_type) == (80, "image/png")
    alone = await make(vips, "pipeline", pipeline(f"[{ignored}]"), photo("png-shipped"))
    assert alone.pixels().width == 451
    with pytest.raises(Undecodable):
        await make(
            vips, "pipeline", pipeline(f"[{resize},{outside % 'false'}]"), photo("png-shipped")
        )


async def test_pipeline_step_left_out_leaves_the_turn_before_it(vips: VipsProcessor) -> None:
    steps = """[{"operation": "autorotate"},
        {"operation": "extract", "ignore_failure": true,
         "params": {"areawidth": 9999, "areaheight": 1}},
        {"operation": "resize", "params": {"width": 80, "norotation": true}}]"""
    made = await make(vips, "pipeline", pipeline(steps), photo("jpeg-exif-6"))
    assert (made.pixels().width, made.pixels().height) == (80, 53)


async def test_pipeline_overlays_go_to_their_steps(vips: VipsProcessor) -> None:
    mark = '{"operation": "watermarkImage", "params": {"image": "http://x.test/", "left": %d}}'
    steps = f"[{mark % 0}, {mark % 100}]"
    made = await make(
        vips, "pipeline", pipeline(steps), photo("png-shipped"), logo(5, 5), logo(50, 50)
    )
    pixels = made.pixels()
    assert pixels(4, 4) == [255, 0, 0]
    assert pixels(30, 30) != [255, 0, 0]
    assert pixels(140, 40) == [255, 0, 0]


# Cost.


async def test_make_thumbnail_of_24_megapixels_is_quick_and_small() -> None:
    maker = processor(processes=1)
    source = photo("jpeg-24-megapixels")
    await make(maker, "resize", {"width": 10}, photo("png-shipped"))
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(5):
        begun = loop.time()
        await make(maker, "resize", {"width": 500}, source)
        took.append(loop.time() - begun)
    (child,) = maker.pool.children
    status = Path(f"/proc/{child.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    await maker.close()
    assert min(took) < 0.5  # about 0.06 on an idle core; a full decode takes more than this
    assert peak < 64 * MIB
