import pytest
from hypothesis import given

from imcaxy.errors import MalformedParameter, MissingParameter, OperationUnknown
from imcaxy.grammar.image_request import Value
from imcaxy.grammar.operations import (
    OPERATIONS,
    canonical_parameters,
    find_operation,
    require_parameters,
    uses_quality,
)
from imcaxy.grammar.parameters import PARAMETERS, read_parameters
from tests.unit.grammar.queries import requests

Values = dict[str, Value]


def test_operations_are_those_of_imaginary() -> None:
    assert sorted(OPERATIONS) == [
        "autorotate", "blur", "convert", "crop", "enlarge", "extract", "fit", "flip", "flop",
        "info", "pipeline", "resize", "rotate", "smartcrop", "thumbnail", "watermark",
        "watermarkimage", "zoom",
    ]  # fmt: skip


def test_operations_read_only_known_parameters() -> None:
    assert all(spec.reads <= set(PARAMETERS) for spec in OPERATIONS.values())


@pytest.mark.parametrize("name", ["Resize", "resize/", "", "watermarkImage", "\udcff"])
def test_operation_that_is_unknown_names_the_known_ones(name: str) -> None:
    with pytest.raises(OperationUnknown) as caught:
        find_operation(name)
    assert "resize" in str(caught.value.accepted)


@pytest.mark.parametrize(
    ("operation", "values", "wanted"),
    [
        ("resize", {"width": 0}, "width or height"),
        ("crop", {}, "width or height"),
        ("smartcrop", {"nocrop": True}, "width or height"),
        ("thumbnail", {}, "width or height"),
        ("fit", {"width": 1}, "height"),
        ("enlarge", {"width": 1, "aspectratio": (1, 1)}, "height"),
        ("enlarge", {"height": 1}, "width"),
        ("extract", {"areawidth": 1}, "areaheight"),
        ("zoom", {}, "factor"),
        ("zoom", {"factor": 1, "top": 1}, "areawidth or areaheight"),
        ("rotate", {"rotate": 0}, "rotate"),
        ("convert", {}, "type"),
        ("blur", {"sigma": 0.0, "minampl": 0.0}, "sigma or minampl"),
        ("watermark", {}, "text"),
        ("watermarkimage", {}, "image"),
        ("pipeline", {}, "operations"),
    ],
)
def test_operation_without_what_it_needs_names_it(
    operation: str, values: Values, wanted: str
) -> None:
    with pytest.raises(MissingParameter) as caught:
        require_parameters(operation, values)
    assert caught.value.accepted == wanted


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("info", {}),
        ("autorotate", {}),
        ("flip", {}),
        ("flop", {}),
        ("resize", {"height": 1}),
        ("rotate", {"rotate": 1}),
        ("zoom", {"factor": 1}),
        ("zoom", {"factor": 1, "left": 1, "areaheight": 1}),
        ("blur", {"minampl": 0.1}),
    ],
)
def test_operation_with_what_it_needs_passes(operation: str, values: Values) -> None:
    require_parameters(operation, values)


@pytest.mark.parametrize(
    ("operation", "values", "kept"),
    [
        # names that the operation does not read
        ("info", {"width": 1, "type": "png"}, {}),
        ("autorotate", {"quality": 10}, {}),
        ("crop", {"width": 1, "nocrop": True, "text": "a"}, {"width": 1}),
        ("resize", {"width": 1, "embed": True, "top": 5, "speed": 3}, {"width": 1}),
        ("fit", {"width": 1, "height": 1, "embed": True}, {"width": 1, "height": 1}),
        ("crop", {"width": 1, "embed": True}, {"width": 1, "embed": True}),
        ("smartcrop", {"width": 1, "gravity": "north"}, {"width": 1}),
        ("flip", {"flip": True, "flop": True}, {"flop": True}),
        ("flop", {"flip": True, "flop": True}, {"flip": True}),
        # defaults
        ("resize", {"width": 1, "nocrop": True}, {"width": 1}),
        ("resize", {"width": 1, "nocrop": False}, {"width": 1, "nocrop": False}),
        ("enlarge", {"width": 1, "nocrop": False}, {"width": 1}),
        ("enlarge", {"width": 1, "nocrop": True}, {"width": 1, "nocrop": True}),
        ("crop", {"width": 0, "height": 1, "quality": 75, "extend": "copy"}, {"height": 1}),
        ("crop", {"width": 1, "background": (0, 0, 0)}, {"width": 1}),
        ("watermark", {"text": "a", "opacity": 0.0}, {"text": "a"}),
        ("watermark", {"text": "a", "opacity": 0.25}, {"text": "a"}),
        ("watermark", {"text": "a", "opacity": 3.0}, {"text": "a", "opacity": 1.0}),
        ("watermark", {"text": "a", "dpi": 150, "font": "sans 10"}, {"text": "a"}),
        ("watermarkimage", {"image": "a", "opacity": 1.0}, {"image": "a"}),
        ("watermarkimage", {"image": "a", "opacity": 0.25}, {"image": "a", "opacity": 0.25}),
        # what changes nothing beside the others
        ("convert", {"type": "png", "quality": 5}, {"type": "png"}),
        ("convert", {"type": "tiff", "quality": 5}, {"type": "tiff"}),
        (
            "convert",
            {"type": "png", "quality": 5, "palette": True},
            {"type": "png", "quality": 5, "palette": True},
        ),
        ("convert", {"type": "jpeg", "compression": 2, "palette": True}, {"type": "jpeg"}),
        ("convert", {"type": "png", "compression": 2}, {"type": "png", "compression": 2}),
        ("flip", {"compression": 2, "quality": 5}, {"compression": 2, "quality": 5}),
        (
            "flip",
            {"type": "auto", "compression": 2, "quality": 5},
            {"type": "auto", "compression": 2, "quality": 5},
        ),
        ("blur", {"sigma": 1.0, "minampl": 1.0}, {"sigma": 1.0}),
        ("blur", {"sigma": 0.0, "minampl": 1.0}, {"minampl": 1.0}),
        ("zoom", {"factor": 1, "areawidth": 5, "nocrop": False}, {"factor": 1}),
        (
            "zoom",
            {"factor": 1, "left": 1, "areawidth": 5, "nocrop": True},
            {"factor": 1, "left": 1, "areawidth": 5},
        ),
        # the ratio becomes the side that it yields: it divides before it multiplies
        ("crop", {"width": 300, "aspectratio": (16, 9)}, {"width": 300, "height": 162}),
        ("crop", {"height": 90, "aspectratio": (16, 9)}, {"width": 160, "height": 90}),
        ("crop", {"width": 300, "aspectratio": (400, 300)}, {"width": 300}),
        (
            "crop",
            {"width": 9, "height": 8, "aspectratio": (16, 9)},
            {"width": 9, "height": 8},
        ),
        ("flip", {"aspectratio": (16, 9)}, {}),
        ("crop", {"width": -300, "aspectratio": (16, 9)}, {"width": -300}),
    ],
)
def test_canonical_form_keeps_only_what_matters(
    operation: str, values: Values, kept: Values
) -> None:
    assert canonical_parameters(operation, values) == tuple(sorted(kept.items()))


def test_canonical_form_of_a_ratio_beyond_the_bound_is_malformed() -> None:
    with pytest.raises(MalformedParameter, match="aspectratio"):
        canonical_parameters("crop", {"width": 10**9, "aspectratio": (1, 2)})


@given(requests())
def test_canonical_form_applied_twice_is_the_same(drawn: tuple[str, dict[str, str]]) -> None:
    operation, texts = drawn
    once = canonical_parameters(operation, read_parameters(texts))
    assert canonical_parameters(operation, dict(once)) == once


@pytest.mark.parametrize(
    ("operation", "values", "used"),
    [
        ("resize", {}, True),
        ("resize", {"type": "auto"}, True),
        ("resize", {"type": "webp"}, True),
        ("resize", {"type": "png"}, False),
        ("resize", {"type": "png", "palette": True}, True),
        ("resize", {"type": "tiff"}, False),
        ("info", {}, False),
        ("autorotate", {}, False),
        ("pipeline", {}, False),
    ],
)
def test_quality_is_used_where_an_encoder_has_it(
    operation: str, values: Values, used: bool
) -> None:
    assert uses_quality(operation, values) is used
