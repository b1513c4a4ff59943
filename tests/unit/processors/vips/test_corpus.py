"""Every photograph through every operation: type, size, orientation and colours, or the error."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
import pyvips

from imcaxy.errors import ImcaxyError, SourceTooLarge, Undecodable, VariantTooLarge
from imcaxy.grammar.image_request import Value
from imcaxy.processors.vips import geometry
from imcaxy.processors.vips.formats import MEDIA_TYPES
from imcaxy.processors.vips.processor import VipsProcessor
from tests.corpus import Photo, corpus, photo
from tests.unit.processors.vips.making import Made, decoded, difference, make

Options = dict[str, Value]

CASES: dict[str, tuple[str, Options]] = {
    "resize-width": ("resize", {"width": 200}),
    "resize-height-webp": ("resize", {"height": 150, "type": "webp"}),
    "resize-box": ("resize", {"width": 120, "height": 90}),
    "resize-cover": ("resize", {"width": 120, "height": 90, "nocrop": False, "type": "png"}),
    "resize-stretched": ("resize", {"width": 120, "height": 90, "force": True}),
    "fit": ("fit", {"width": 160, "height": 160}),
    "crop": ("crop", {"width": 130, "height": 100}),
    "crop-corner": ("crop", {"width": 90, "height": 400, "gravity": "north"}),
    "smartcrop": ("smartcrop", {"width": 100, "height": 100}),
    "thumbnail": ("thumbnail", {"width": 97, "type": "jpeg"}),
    "enlarge": ("enlarge", {"width": 700, "height": 500}),
    "rotate": ("rotate", {"rotate": 90, "width": 150}),
    "flip": ("flip", {"width": 120}),
    "flop": ("flop", {"height": 120}),
    # Below the damage of broken photographs: what lies above it can be cut out whole.
    "extract": ("extract", {"areawidth": 50, "areaheight": 40, "top": 250, "quality": 92}),
    "blur": ("blur", {"sigma": 1.5, "width": 150}),
    "avif": ("resize", {"width": 80, "type": "avif"}),
    "grey": ("resize", {"width": 120, "colorspace": "bw", "type": "png"}),
    "tiff": ("resize", {"width": 120, "type": "tiff"}),
}
WHOLE_SIZE: dict[str, tuple[str, Options]] = {
    "autorotate": ("autorotate", {}),
    "convert-jpeg": ("convert", {"type": "jpeg", "quality": 90}),
    "convert-png": ("convert", {"type": "png"}),
    "convert-webp": ("convert", {"type": "webp"}),
    "zoom": ("zoom", {"factor": 1, "type": "jpeg"}),
}
QUICK = ("resize-width", "crop")  # the rest takes most of a minute
LOSSY = 5.0  # levels of mean difference that quality 75, or another resampling, may cost


def _slow_but_quick(cases: Iterable[str]) -> list[Any]:
    return [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in cases]


async def every(
    vips: VipsProcessor, operation: str, options: Options, photos: list[Photo]
) -> list[Made | BaseException]:
    return await asyncio.gather(
        *(make(vips, operation, options, item) for item in photos), return_exceptions=True
    )


@pytest.mark.parametrize("case", _slow_but_quick(CASES))
async def test_whole_photo_any_operation_is_right(vips: VipsProcessor, case: str) -> None:
    operation, options = CASES[case]
    photos = [item for item in corpus() if not item.broken]
    results = await every(vips, operation, options, photos)
    faults = [_fault(operation, options, *pair) for pair in zip(photos, results, strict=True)]
    assert [fault for fault in faults if fault] == []


@pytest.mark.parametrize("case", _slow_but_quick(WHOLE_SIZE))
async def test_whole_photo_at_its_own_size_is_right(vips: VipsProcessor, case: str) -> None:
    operation, options = WHOLE_SIZE[case]
    photos = [item for item in corpus() if not item.broken and not item.megapixels]
    results = await every(vips, operation, options, photos)
    faults = [_fault(operation, options, *pair) for pair in zip(photos, results, strict=True)]
    assert [fault for fault in faults if fault] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["autorotate", "convert-jpeg", "convert-webp"])
async def test_large_photo_at_its_own_size_is_right(vips: VipsProcessor, case: str) -> None:
    operation, options = WHOLE_SIZE[case]
    for item in [item for item in corpus() if item.megapixels]:
        (result,) = await every(vips, operation, options, [item])
        assert _fault(operation, options, item, result) == ""


@pytest.mark.parametrize("case", _slow_but_quick(CASES | WHOLE_SIZE))
async def test_broken_photo_any_operation_is_refused(vips: VipsProcessor, case: str) -> None:
    operation, options = (CASES | WHOLE_SIZE)[case]
    photos = [item for item in corpus() if item.broken]
    results = await every(vips, operation, options, photos)
    wrong = {
        item.name: result
        for item, result in zip(photos, results, strict=True)
        if type(result) is not (SourceTooLarge if item.name == "png-bomb" else Undecodable)
    }
    assert wrong == {}


async def test_info_any_photo_tells_what_is_stored(vips: VipsProcessor) -> None:
    photos = [item for item in corpus() if not item.broken]
    results = await every(vips, "info", {}, photos)
    for item, result in zip(photos, results, strict=True):
        assert isinstance(result, Made), item.name
        assert result.media_type == "application/json"
        facts = json.loads(result.body)
        assert list(facts) == [
            *("width", "height", "type", "space", "hasAlpha", "hasProfile", "channels"),
            "orientation",
        ]
        assert (facts["width"], facts["height"]) == (item.width, item.height), item.name
        assert facts["type"] == item.format
        # libvips gives every animated GIF an alpha channel.
        assert facts["hasAlpha"] is (item.alpha or item.name == "gif-animated")
        assert (facts["orientation"] or 1) == item.orientation


async def test_whole_photo_huge_result_is_refused_before_any_work(vips: VipsProcessor) -> None:
    huge: list[tuple[str, Options]] = [
        ("thumbnail", {"width": 40_000, "type": "png"}),
        ("thumbnail", {"width": 16_384, "height": 8, "type": "webp"}),
        ("thumbnail", {"width": 65_501, "height": 8}),
        ("zoom", {"factor": 200}),
        ("enlarge", {"width": 100_000, "height": 100_000}),
    ]
    for operation, options in huge:
        with pytest.raises(VariantTooLarge):
            await make(vips, operation, options, photo("jpeg-exif-6"))


def _fault(operation: str, options: Options, item: Photo, result: Made | BaseException) -> str:
    """What is wrong with a result; nothing when all is well."""
    sides = (item.width, item.height)
    kind = str(options.get("type") or _kept_type(item))
    try:
        plan = geometry.plan(operation, options, sides, item.orientation, item.format)
        geometry.check_size(plan.size, kind, 50_000_000)
    except ImcaxyError as error:
        refused = type(result) is type(error)
        return "" if refused else f"{item.name}: {result!r} instead of {error!r}"
    if isinstance(result, BaseException):
        return f"{item.name}: {result!r}"
    image = result.pixels()
    wrong = {
        f"is {result.media_type}": result.media_type != MEDIA_TYPES[kind],
        f"has {image.width}x{image.height}": (image.width, image.height) != plan.size,
        "would be turned again by a viewer": _orientation(image) > 1,
        "has a profile": bool(image.get_typeof("icc-profile-data")),
        "lost its alpha": item.alpha and kind != "jpeg" and not image.hasalpha(),
    }
    if any(wrong.values()):
        return f"{item.name}: {[fault for fault, there in wrong.items() if there]}"
    return _colour_fault(operation, options, item, plan, (image, decoded(item.shown)))


def _orientation(image: pyvips.Image) -> int:
    return int(image.get("orientation")) if image.get_typeof("orientation") else 0


def _kept_type(item: Photo) -> str:
    if item.format != "avif":
        return item.format
    return "png" if item.alpha else "jpeg"


def _colour_fault(
    operation: str,
    options: Options,
    item: Photo,
    plan: geometry.Plan,
    pictures: tuple[pyvips.Image, pyvips.Image],
) -> str:
    image, shown = pictures
    padded_or_chosen = plan.window is not None and plan.window.kind != "cut"
    if padded_or_chosen or (operation == "rotate" and item.orientation != 1):
        return ""  # no simple reference; these have tests of their own
    sides = geometry.turn_of({}, item.orientation).size(item.width, item.height)
    upright = geometry.plan(operation, options, sides, 1, item.format)
    expected = _rendered(shown, upright)
    if "sigma" in options:
        expected = expected.gaussblur(options["sigma"])
    if options.get("colorspace") == "bw":
        expected = expected.colourspace("b-w")
    if expected.hasalpha() and not image.hasalpha():
        expected = expected.flatten()
    found = difference(image, expected)
    limit = LOSSY + item.tolerance
    return "" if found <= limit else f"{item.name}: differs by {found:.1f} levels"


def _rendered(shown: pyvips.Image, plan: geometry.Plan) -> pyvips.Image:
    """The plan carried out on the upright picture in the plainest way."""
    image = shown.rot(f"d{plan.turn.degrees}") if plan.turn.degrees else shown
    image = image.fliphor() if plan.turn.mirrored else image
    image = image.flipver() if plan.turn.flopped else image
    width, height = plan.scaled
    alpha = image.hasalpha()
    image = image.premultiply() if alpha else image
    image = image.resize(width / image.width, vscale=height / image.height, kernel="linear")
    image = (image.unpremultiply() if alpha else image).cast("uchar")
    image = image.copy(interpretation=shown.interpretation)
    window = plan.window
    return image if window is None else image.crop(*_edges(window))


def _edges(window: geometry.Window) -> tuple[int, int, int, int]:
    return window.left, window.top, window.width, window.height
