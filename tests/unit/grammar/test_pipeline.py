import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import (
    FormatUnsupported,
    ImcaxyError,
    MalformedParameter,
    MissingParameter,
    SourceMalformed,
    SourceRefused,
)
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.numbers import LARGEST
from imcaxy.grammar.pipeline import (
    MOST_STEPS,
    Step,
    decode_operations,
    format_steps,
    named_formats,
    parse_steps,
    request_steps,
)
from imcaxy.grammar.source import Source
from tests.unit.grammar.queries import steps

PHOTO = Source("url", "https://example.com/a.jpg")


def one(operation: str, **params: object) -> str:
    return json.dumps([{"operation": operation, "params": params}])


def read(operation: str, **params: object) -> dict[str, Value]:
    return dict(parse_steps(one(operation, **params))[0].parameters)


@pytest.mark.parametrize("text", ["", "[", "1", "[]", "null", " [ ] ", "\tnull"])
def test_pipeline_without_operations_is_missing(text: str) -> None:
    with pytest.raises(MissingParameter):
        parse_steps(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}", "12", '"a"', "[1]", "[null]", '["flip"]', "[{]", "no", "[{}", "\ufeff[]", "[{}]",
        '[{"operation":1}]', '[{"operation":null}]',
        '[{"operation":"flip","params":[]}]', '[{"operation":"flip","params":1}]',
        '[{"operation":"flip","ignore_failure":"true"}]', '[{"operation":"flip","other":1}]',
        '[{"operation":"flip","Operation":"flop"}]', '[{"operation":"flip","operation":"flip"}]',
        '[{"operation":"crop","params":{"width":1,"width":2}}]',
        '[{"operation":"crop","params":{"width":NaN}}]',
        '[{"operation":"crop","params":{"a":-Infinity}}]',
        '[{"operation":"crop","params":{"width":1e400}}]',
        f'[{{"params":{{"width":{"9" * 5000}}}}}]',
        '[{"operation":"watermarkimage"}]', '[{"operation":"info"}]', '[{"operation":"pipeline"}]',
        '[{"operation":"Flip"}]', '[{"operation":"a\nb"}]', "[" * 100_000,
    ],
)  # fmt: skip
def test_pipeline_that_is_not_as_documented_is_malformed(text: str) -> None:
    with pytest.raises(MalformedParameter) as caught:
        parse_steps(text)
    assert caught.value.accepted
    assert caught.value.value is not None


def test_pipeline_with_too_many_operations_is_malformed() -> None:
    step = {"operation": "flip"}
    assert len(parse_steps(json.dumps([step] * MOST_STEPS))) == MOST_STEPS
    with pytest.raises(MalformedParameter, match="too many"):
        parse_steps(json.dumps([step] * (MOST_STEPS + 1)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"operation":"flip"}] and more', (Step("flip", ()),)),
        ('[{"OPERATION":"flip","Params":null,"Ignore_Failure":true}]', (Step("flip", (), True),)),
        ('[{"operation":"flip","ignore_failure":null}]', (Step("flip", ()),)),
        (
            '[{"operation":"autorotate","params":{"width":5}},{"operation":"flop","params":{}}]',
            (Step("autorotate", ()), Step("flop", ())),
        ),
        (
            '[{"operation":"watermarkImage","params":{"image":"HTTP://Example.org"}}]',
            (Step("watermarkimage", (("image", "http://example.org/"),)),),
        ),
    ],
)
def test_pipeline_is_read_as_documented(text: str, found: tuple[Step, ...]) -> None:
    assert parse_steps(text) == found


@pytest.mark.parametrize(
    ("given_", "value"),
    [
        (99.9, 99), ("99.9", 100), (-100, -100), ("-100", 100), (-99.9, -99), ("0x64p0", 100),
        (LARGEST, LARGEST), (0.9, None), ("", None), (1e2, 100),
    ],
)  # fmt: skip
def test_pipeline_number_is_truncated_and_its_text_rounded(
    given_: object, value: int | None
) -> None:
    assert read("crop", width=given_, height=7).get("width") == value


@pytest.mark.parametrize(
    ("name", "given_", "value"),
    [
        ("stripmeta", True, True),
        ("stripmeta", "true", True),
        ("stripmeta", False, None),
        ("sigma", 2, 2.0),
        ("sigma", -2.5, -2.5),
        ("sigma", "-2.5", 2.5),
        ("rotate", -90, 1),
        ("rotate", 100, 90),
        ("quality", -5, None),
        ("background", "1,2,3", (1, 2, 3)),
        ("gravity", "NORTH", "north"),
        ("unknown", None, None),
        ("unknown", {"a": [1]}, None),
        ("type", "bmp", None),
        ("type", "auto", None),
        ("type", "JPG", "jpeg"),
        ("type", "", None),
    ],
)
def test_pipeline_parameter_has_its_meaning(name: str, given_: Any, value: Value | None) -> None:
    assert read("crop", height=7, **{name: given_}).get(name) == value


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("width", None), ("width", True), ("width", [1]), ("width", "abc"), ("width", LARGEST + 1),
        ("width", -LARGEST - 1), ("factor", -1), ("stripmeta", 1), ("stripmeta", "yes"),
        ("background", [1, 2, 3]),
        ("background", "1"), ("gravity", 1), ("type", 1), ("font", False), ("sigma", 1001),
        ("font", "\ud800"), ("text", "\x00"), ("aspectratio", "x"), ("image", 1),
    ],
)  # fmt: skip
def test_pipeline_parameter_of_another_kind_is_malformed_wherever_it_stands(
    name: str, given_: object
) -> None:
    with pytest.raises(MalformedParameter, match=name) as caught:
        parse_steps(one("autorotate", **{name: given_}))
    assert caught.value.value is not None
    assert caught.value.value.encode() is not None


def test_pipeline_step_without_what_it_needs_is_missing_whatever_ignore_failure_says() -> None:
    with pytest.raises(MissingParameter, match="fit"):
        parse_steps('[{"operation":"fit","params":{"width":1},"ignore_failure":true}]')


@pytest.mark.parametrize("name", ["bmp", "auto", "AUTO"])
def test_pipeline_conversion_to_an_unknown_type_is_unsupported(name: str) -> None:
    with pytest.raises(FormatUnsupported):
        parse_steps(one("convert", type=name))


def test_pipeline_overlay_is_held_to_the_rules_of_sources() -> None:
    with pytest.raises(SourceMalformed):
        parse_steps(one("watermarkImage", image="logo.png"))
    with pytest.raises(SourceRefused):
        parse_steps(one("watermarkImage", image="http://a:b@example.org/logo.png"))


def test_pipeline_of_nextcloud_is_read() -> None:
    text = json.dumps(
        [
            {"operation": "autorotate"},
            {
                "operation": "fit",
                "params": {
                    "width": 256,
                    "height": 256,
                    "stripmeta": "true",
                    "type": "jpeg",
                    "norotation": "true",
                    "quality": "80",
                },
            },
        ]
    )
    assert format_steps(parse_steps(text)) == (
        '[{"operation":"autorotate"},{"operation":"fit","params":{"height":256,"norotation":true,'
        '"quality":80,"stripmeta":true,"type":"jpeg","width":256}}]'
    )


def test_pipeline_text_keeps_colours_flags_and_ignored_failures() -> None:
    steps_ = parse_steps(
        '[{"operation":"enlarge","ignore_failure":true,'
        '"params":{"width":1,"height":1,"nocrop":true,"background":"1,2,3"}}]'
    )
    assert format_steps(steps_) == (
        '[{"ignore_failure":true,"operation":"enlarge",'
        '"params":{"background":"1,2,3","height":1,"nocrop":true,"width":1}}]'
    )


@given(steps())
def test_pipeline_text_is_read_back_as_the_same_steps(text: str) -> None:
    found = parse_steps(text)
    assert parse_steps(format_steps(found)) == found


@given(st.text(), st.sampled_from(["", "[", '[{"operation":"flip","params":{', '[{"']))
def test_pipeline_of_any_text_is_read_or_refused(text: str, prefix: str) -> None:
    try:
        assert parse_steps(prefix + text)
    except ImcaxyError:
        return


def test_operations_of_too_few_characters_decode_to_none() -> None:
    assert decode_operations("x") == []


def test_request_steps_are_those_of_the_pipeline_or_the_one_operation() -> None:
    pipeline = ImageRequest("pipeline", (("operations", one("crop", width=5)),), PHOTO)
    assert request_steps(pipeline) == (Step("crop", (("width", 5),)),)
    single = ImageRequest("crop", (("width", 5),), PHOTO)
    assert request_steps(single) == (Step("crop", (("width", 5),)),)


def test_named_formats_are_those_of_every_step() -> None:
    text = json.dumps(
        [
            {"operation": "convert", "params": {"type": "png"}},
            {"operation": "flip", "params": {"type": "avif"}},
            {"operation": "flop"},
        ]
    )
    pipeline = ImageRequest("pipeline", (("operations", text),), PHOTO)
    assert named_formats(request_steps(pipeline)) == {"png", "avif"}
    assert named_formats(request_steps(ImageRequest("flip", (("type", "auto"),), PHOTO))) == set()
