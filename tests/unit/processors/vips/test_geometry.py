from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imcaxy.errors import (
    MissingParameter,
    OperationUnsupported,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.processors.vips.geometry import (
    OPERATIONS,
    Plan,
    Turn,
    Window,
    check_required,
    check_size,
    plan,
    turn_of,
)

PORTRAIT, WIDE = (550, 740), (1920, 1080)
Options = dict[str, Any]


@pytest.mark.parametrize(
    ("operation", "options", "stored", "size"),
    [
        # Imaginary's own answers for its fixtures.
        ("resize", {"width": 300}, PORTRAIT, (300, 404)),
        ("crop", {"width": 1000, "height": 100}, PORTRAIT, (1000, 100)),
        ("fit", {"width": 300, "height": 300}, WIDE, (300, 169)),
        # One side keeps the ratio; two are padded, cut or stretched.
        ("resize", {"height": 370}, PORTRAIT, (275, 370)),
        ("resize", {"width": 300, "height": 300}, PORTRAIT, (300, 300)),
        ("resize", {"width": 300, "height": 300, "nocrop": False}, PORTRAIT, (300, 300)),
        ("resize", {"width": 300, "nocrop": False}, PORTRAIT, (300, 740)),
        ("resize", {"width": 300, "height": 50, "force": True}, PORTRAIT, (300, 50)),
        ("thumbnail", {"width": 300, "height": 300}, PORTRAIT, (300, 300)),
        ("thumbnail", {"width": 100}, PORTRAIT, (100, 135)),
        ("convert", {"type": "png", "width": 10, "height": 90}, PORTRAIT, (10, 90)),
        ("flip", {}, PORTRAIT, PORTRAIT),
        ("crop", {"width": 200}, PORTRAIT, (200, 740)),
        ("crop", {"height": 200}, PORTRAIT, (550, 200)),
        # Nothing is enlarged when both sides ask for more, except where that is what is asked.
        ("resize", {"width": 2000}, PORTRAIT, PORTRAIT),
        ("resize", {"width": 2000, "height": 2000}, PORTRAIT, PORTRAIT),
        ("resize", {"width": 2000, "height": 100}, PORTRAIT, (2000, 100)),
        ("resize", {"width": 100_000}, PORTRAIT, PORTRAIT),
        ("fit", {"width": 300, "height": 100_000}, WIDE, (300, 169)),
        ("fit", {"width": -300, "height": 300}, WIDE, WIDE),
        ("fit", {"width": 2000, "height": 2000}, PORTRAIT, PORTRAIT),
        ("crop", {"width": 900, "height": 900}, PORTRAIT, PORTRAIT),
        ("enlarge", {"width": 1440, "height": 900}, PORTRAIT, (1440, 900)),
        ("enlarge", {"width": 1440, "height": 900, "nocrop": True}, PORTRAIT, (669, 900)),
        ("thumbnail", {"width": 1100}, PORTRAIT, (1100, 1480)),
        # Zoom multiplies by one more than it says; its area counts only away from the corner.
        ("zoom", {"factor": 1}, PORTRAIT, (1100, 1480)),
        ("zoom", {"factor": 2, "areawidth": 10, "areaheight": 10}, PORTRAIT, (1650, 2220)),
        ("zoom", {"factor": 2, "left": 5, "areawidth": 10, "areaheight": 9}, PORTRAIT, (10, 9)),
        ("zoom", {"factor": 1, "top": 1, "areawidth": 10}, PORTRAIT, (10, 740)),
        ("extract", {"areawidth": 100, "areaheight": 50, "top": 9}, PORTRAIT, (100, 50)),
        ("extract", {"areawidth": 9, "areaheight": 5, "width": 55}, PORTRAIT, (9, 5)),
        ("rotate", {"rotate": 90}, PORTRAIT, (740, 550)),
        ("rotate", {"rotate": 180}, PORTRAIT, PORTRAIT),
        ("rotate", {"rotate": 1}, PORTRAIT, PORTRAIT),
        ("smartcrop", {"width": 100, "height": 100}, PORTRAIT, (100, 100)),
        ("blur", {"sigma": 3.0}, PORTRAIT, PORTRAIT),
        ("autorotate", {"width": 10, "rotate": 90}, PORTRAIT, PORTRAIT),
        # A side that would vanish keeps a pixel.
        ("resize", {"width": 10}, (5000, 3), (10, 1)),
    ],
)
def test_plan_size_follows_the_api(
    operation: str, options: Options, stored: tuple[int, int], size: tuple[int, int]
) -> None:
    assert plan(operation, options, stored, 1, "png").size == size


@pytest.mark.parametrize("orientation", range(9))
def test_plan_fit_turned_photo_gets_the_upright_box(orientation: int) -> None:
    found = plan("fit", {"width": 300, "height": 300}, WIDE, orientation, "jpeg")
    assert found.size == ((169, 300) if orientation >= 5 else (300, 169))
    assert found.window is None


@pytest.mark.parametrize(
    ("gravity", "left", "top"),
    [("centre", 63, 0), ("west", 0, 0), ("east", 125, 0), ("north", 63, 0), ("south", 63, 0)],
)
def test_plan_crop_gravity_chooses_the_part(gravity: str, left: int, top: int) -> None:
    found = plan("crop", {"width": 100, "height": 100, "gravity": gravity}, (450, 200), 1, "png")
    assert found.scaled == (225, 100)
    assert found.window == Window("cut", left, top, 100, 100)


def test_plan_crop_tall_photo_gravity_south_pins_the_bottom() -> None:
    found = plan("crop", {"width": 100, "height": 100, "gravity": "south"}, (200, 450), 1, "png")
    assert found.window == Window("cut", 0, 125, 100, 100)


def test_plan_crop_after_shrink_on_load_may_be_a_pixel_short() -> None:
    # 535 halves to 267, and 267 times 150/403 is 99; so it is in Imaginary.
    assert plan("crop", {"width": 150, "height": 100}, (806, 535), 1, "jpeg").size == (150, 99)
    assert plan("crop", {"width": 150, "height": 100}, (806, 535), 1, "png").size == (150, 100)


def test_plan_padding_puts_the_picture_in_the_middle() -> None:
    found = plan("resize", {"width": 300, "height": 300}, PORTRAIT, 1, "png")
    assert found.scaled == (223, 300)
    assert found.window == Window("pad", 38, 0, 300, 300)


def test_plan_smart_gravity_beats_padding_and_area() -> None:
    options = {"width": 300, "height": 300, "gravity": "smart", "nocrop": False}
    assert plan("resize", options, PORTRAIT, 1, "png").window == Window("smart", 0, 0, 300, 300)


@pytest.mark.parametrize(
    ("options", "orientation", "turn"),
    [
        ({}, 0, Turn()),
        ({}, 1, Turn()),
        ({}, 2, Turn(0, True)),
        ({}, 3, Turn(180)),
        ({}, 4, Turn(180, True)),
        ({}, 5, Turn(90, True)),
        ({}, 6, Turn(90)),
        ({}, 7, Turn(270, True)),
        ({}, 8, Turn(270)),
        ({}, 9, Turn()),
        ({"flip": True}, 2, Turn()),
        ({"flip": True}, 6, Turn(90, True)),
        ({"flop": True}, 5, Turn(90, True, True)),
        ({"norotation": True}, 6, Turn(upright=False)),
        ({"norotation": True, "flip": True}, 6, Turn(0, True, upright=False)),
        ({"rotate": 90}, 6, Turn(90)),
        ({"rotate": 180, "flip": True}, 2, Turn(180, True)),
        ({"rotate": 1}, 6, Turn()),
        ({"rotate": 90, "norotation": True}, 3, Turn(90)),
        ({"rotate": 359}, 1, Turn(270)),
        ({"rotate": -90}, 6, Turn(90)),
    ],
)
def test_turn_of_exif_and_request_are_combined(
    options: Options, orientation: int, turn: Turn
) -> None:
    assert turn_of(options, orientation) == turn


@pytest.mark.parametrize(
    ("options", "stored", "kind", "shrink"),
    [
        ({"width": 500}, (6000, 4000), "jpeg", 8),
        ({"width": 500}, (6000, 4000), "webp", 8),
        ({"width": 500}, (6000, 4000), "png", 1),
        ({"width": 500}, (2000, 1000), "jpeg", 2),
        ({"width": 500}, (1000, 1000), "jpeg", 1),
        ({"width": 500, "height": 4000, "force": True}, (6000, 4000), "jpeg", 8),  # as Imaginary
        ({"width": 1}, (1, 3000), "jpeg", 1),
        ({"height": 10}, (3, 3000), "webp", 1),
    ],
)
def test_plan_decoder_shrinks_as_imaginary_does(
    options: Options, stored: tuple[int, int], kind: str, shrink: int
) -> None:
    assert plan("resize", options, stored, 1, kind).shrink == shrink


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("resize", {}),
        ("resize", {"width": 0}),
        ("fit", {"width": 5}),
        ("enlarge", {"height": 5}),
        ("extract", {"areawidth": 5}),
        ("zoom", {}),
        ("zoom", {"factor": 1, "top": 5}),
        ("rotate", {"rotate": 0}),
        ("blur", {}),
        ("smartcrop", {}),
    ],
)
def test_plan_without_what_it_needs_is_refused(operation: str, options: Options) -> None:
    with pytest.raises(MissingParameter):
        plan(operation, options, PORTRAIT, 1, "png")


@pytest.mark.parametrize("name", ["", "info", "watermarks", "Resize", "__class__"])
def test_check_required_unknown_operation_is_refused(name: str) -> None:
    with pytest.raises(OperationUnsupported):
        check_required(name, {})


@pytest.mark.parametrize(
    "area",
    [
        {"areawidth": 551, "areaheight": 1},
        {"areawidth": 1, "areaheight": 1, "left": 550},
        {"areawidth": 1, "areaheight": 741},
    ],
)
def test_plan_area_outside_the_picture_is_refused(area: Options) -> None:
    with pytest.raises(Undecodable):
        plan("extract", area, PORTRAIT, 1, "png")


def test_check_size_at_its_limits() -> None:
    check_size((100, 100), "png", 10_000)
    check_size((16_383, 1), "webp", 50_000_000)
    check_size((65_500, 1), "jpeg", 50_000_000)
    check_size((99_999, 1), "png", 50_000_000)
    for sides, kind, pixels in [
        ((101, 100), "png", 10_000),
        ((16_384, 1), "webp", 50_000_000),
        ((1, 65_501), "jpeg", 50_000_000),
        ((16_385, 1), "avif", 50_000_000),
    ]:
        with pytest.raises(VariantTooLarge):
            check_size(sides, kind, pixels)


SIDES = st.integers(1, 20_000)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(1, 5000),
        "height": st.integers(1, 5000),
        "rotate": st.sampled_from([-90, 1, 90, 180, 270]),
        "flip": st.booleans(),
        "norotation": st.booleans(),
        "force": st.booleans(),
        "embed": st.booleans(),
        "nocrop": st.booleans(),
        "gravity": st.sampled_from(["north", "south", "east", "west", "smart"]),
        "factor": st.integers(1, 3),
        "areawidth": st.integers(1, 500),
        "areaheight": st.integers(1, 500),
        "left": st.integers(0, 100),
        "top": st.integers(0, 100),
        "sigma": st.just(1.0),
    },
)
KINDS = st.sampled_from(["jpeg", "png", "webp", "gif"])


def planned(operation: str, options: Options, stored: tuple[int, int], kind: str) -> Plan | None:
    try:
        return plan(operation, options, stored, 6, kind)
    except (MissingParameter, Undecodable):
        return None


@given(st.sampled_from(sorted(OPERATIONS)), WISHES, st.tuples(SIDES, SIDES), KINDS)
def test_plan_any_request_stays_within_the_picture(
    operation: str, options: Options, stored: tuple[int, int], kind: str
) -> None:
    found = planned(operation, options, stored, kind)
    if found is None:
        return
    assert min(*found.scaled, *found.size) >= 1
    assert found.shrink in (1, 2, 4, 8)
    assert min(stored) >= found.shrink
    assert found.average >= 1
    decoded = found.turn.size(*(side // found.shrink for side in stored))
    if found.shrink > 1:  # nothing is enlarged that the decoder has shrunk, but where it is forced
        assert max(decoded[0] - found.scaled[0], decoded[1] - found.scaled[1]) >= 0
    if found.window is not None and found.window.kind == "cut":
        assert found.window.left >= 0
        assert found.window.top >= 0
        assert found.window.left + found.window.width <= found.scaled[0]
        assert found.window.top + found.window.height <= found.scaled[1]


@given(WISHES, st.tuples(SIDES, SIDES), KINDS)
def test_plan_both_sides_of_thumbnail_are_exact(
    options: Options, stored: tuple[int, int], kind: str
) -> None:
    sides = {"width": 123, "height": 77, "rotate": 0, "gravity": "centre", "embed": False}
    found = planned("thumbnail", options | sides, stored, kind)
    assert found is not None
    assert found.size == (123, 77)


@given(st.tuples(SIDES, SIDES), st.integers(1, 5000), st.integers(1, 5000), KINDS)
@example((1, 3), 2, 4, "jpeg")
def test_plan_fit_stays_inside_its_box_and_never_enlarges(
    stored: tuple[int, int], width: int, height: int, kind: str
) -> None:
    found = plan("fit", {"width": width, "height": height}, stored, 1, kind)
    assert found.size[0] <= max(width, 1)
    assert found.size[1] <= max(height, 1)
    assert found.size[0] <= stored[0]
    assert found.size[1] <= stored[1]
