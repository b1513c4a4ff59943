import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import WidthRefused
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.ladder import Ladder, hold_to_ladder
from imcaxy.grammar.operations import canonical_parameters
from imcaxy.grammar.parse import parse_image_request
from tests.unit.grammar.queries import URL, requests

SNAP = Ladder((64, 128, 640), strict=False)
STRICT = Ladder(SNAP.widths, strict=True)


def request(operation: str, **texts: str) -> ImageRequest:
    query = "&".join(f"{name}={text}" for name, text in texts.items())
    return parse_image_request(operation, f"{query}&url={URL}").request


@pytest.mark.parametrize(
    ("asked", "given"), [(1, 64), (64, 64), (65, 128), (639, 640), (640, 640), (5000, 640)]
)
def test_width_is_rounded_up_to_the_next_step_or_down_to_the_largest(
    asked: int, given: int
) -> None:
    held = hold_to_ladder(request("resize", width=str(asked)), SNAP)
    assert held.options == {"width": given}


@pytest.mark.parametrize(
    ("width", "height", "held"),
    [(100, 50, (128, 64)), (65, 1, (128, 2)), (1280, 1, (640, 1)), (1, 65535, (64, 4194240))],
)
def test_height_follows_the_width_so_that_the_shape_stays(
    width: int, height: int, held: tuple[int, int]
) -> None:
    crop = hold_to_ladder(request("crop", width=str(width), height=str(height)), SNAP)
    assert (crop.options["width"], crop.options["height"]) == held


@pytest.mark.parametrize("ladder", [SNAP, STRICT])
@pytest.mark.parametrize(
    ("operation", "texts"),
    [
        ("resize", {"height": "77"}),
        ("convert", {"type": "webp"}),
        ("info", {}),
        ("extract", {"areawidth": "77", "areaheight": "77", "left": "7"}),
        ("watermark", {"text": "a", "textwidth": "77"}),
    ],
)
def test_what_is_no_width_of_the_picture_is_left_alone(
    ladder: Ladder, operation: str, texts: dict[str, str]
) -> None:
    asked = request(operation, **texts)
    assert hold_to_ladder(asked, ladder) == asked


@pytest.mark.parametrize("operation", ["resize", "thumbnail", "extract", "flip", "watermarkimage"])
def test_width_of_any_operation_outside_a_strict_ladder_is_refused(operation: str) -> None:
    texts = {"areawidth": "9", "areaheight": "9", "image": URL, "width": "100"}
    with pytest.raises(WidthRefused) as caught:
        hold_to_ladder(request(operation, **texts), STRICT)
    assert (caught.value.value, caught.value.accepted) == ("100", "64, 128, 640")


def steps(*widths: int) -> ImageRequest:
    operations = [
        {"operation": "crop", "params": {"width": width, "height": 10}} for width in widths
    ]
    return request("pipeline", operations=json.dumps(operations))


def test_width_of_a_pipelines_step_is_held_too() -> None:
    assert hold_to_ladder(steps(128, 100), SNAP) == ImageRequest(
        "pipeline",
        (
            (
                "operations",
                '[{"operation":"crop","params":{"height":10,"width":128}},'
                '{"operation":"crop","params":{"height":13,"width":128}}]',
            ),
        ),
        steps(128).source,
    )
    with pytest.raises(WidthRefused):
        hold_to_ladder(steps(128, 100), STRICT)


def test_pipeline_whose_widths_are_all_allowed_is_left_alone() -> None:
    asked = steps(128, 64)
    assert hold_to_ladder(asked, STRICT) == asked


@given(requests(), st.booleans())
def test_result_is_canonical_and_allowed(drawn: tuple[str, dict[str, str]], strict: bool) -> None:
    operation, texts = drawn
    texts = {name: text for name, text in texts.items() if name not in {"image", "text", "font"}}
    if operation in {"pipeline", "watermark", "watermarkimage"}:
        return
    asked = request(operation, **texts)
    try:
        held = hold_to_ladder(asked, Ladder(SNAP.widths, strict))
    except WidthRefused:
        assert strict
        return
    assert held.parameters == canonical_parameters(operation, held.options)
    assert held.options.get("width", 64) in SNAP.widths
    assert hold_to_ladder(held, STRICT) == held
