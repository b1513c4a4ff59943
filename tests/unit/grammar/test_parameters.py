import pytest

from imcaxy.errors import FormatUnsupported, MalformedParameter
from imcaxy.grammar.image_request import Value
from imcaxy.grammar.numbers import LARGEST
from imcaxy.grammar.parameters import FORMATS, PARAMETERS, read_parameters, read_text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "", 0),
        ("width", "-100", 100),
        ("width", "100000", 100_000),
        ("quality", "80", 80),
        ("quality", "0", 75),
        ("quality", "101", 75),
        ("quality", "70000", 75),
        ("quality", "1", 1),
        ("compression", "0", 6),
        ("compression", "9", 9),
        ("compression", "10", 6),
        ("rotate", "0", 0),
        ("rotate", "45", 1),
        ("rotate", "89", 1),
        ("rotate", "-90", 90),
        ("rotate", "135", 90),
        ("rotate", "360", 270),
        ("rotate", "720", 270),
        ("rotate", "99999", 270),
        ("dpi", "0", 150),
        ("dpi", "300", 300),
        ("nocrop", "", False),
        ("gravity", " NORTH\u00a0", "north"),
        ("gravity", "centre", None),
        ("gravity", "smart|height=10", None),
        ("extend", "", "mirror"),
        ("extend", "odd", "mirror"),
        ("extend", "\tWhite ", "white"),
        ("extend", "\x1fwhite", "mirror"),
        ("extend", "lastpixel", "background"),
        ("colorspace", "bw", "bw"),
        ("colorspace", "BW", None),
        ("background", "", None),
        ("background", "1,2,3", (1, 2, 3)),
        ("background", "a,b,c", (0, 0, 0)),
        ("color", "1,2", None),
        ("color", "1,2,3,4", (1, 2, 3)),
        ("aspectratio", " ", None),
        ("aspectratio", "16:9", (16, 9)),
        ("aspectratio", " +16:09 ", (16, 9)),
        ("aspectratio", "16:9:4", (16, 9)),
        ("sigma", "-2.5", 2.5),
        ("sigma", "1000", 1000.0),
        ("type", "", None),
        ("type", "auto", "auto"),
        ("type", "JPG", "jpeg"),
        ("type", "WebP", "webp"),
        ("text", "", None),
        ("text", " a,b ", " a,b "),
    ],
)
def test_parameter_text_has_its_meaning(name: str, text: str, value: Value | None) -> None:
    assert read_text(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("width", "abc"),
        ("width", "100px"),
        ("width", str(LARGEST + 1)),
        ("height", "nan"),
        ("quality", "best"),
        ("palette", "yes"),
        ("sigma", "1000.1"),
        ("opacity", "inf"),
        ("background", "1"),
        ("background", "1,2"),
        ("aspectratio", "16"),
        ("aspectratio", "foo"),
        ("aspectratio", "0:0"),
        ("aspectratio", "1.5:1"),
        ("aspectratio", "-16:9"),
        ("aspectratio", "16:0"),
        ("aspectratio", f"{LARGEST + 1}:1"),
        ("dpi", "65536"),
        ("text", "a\x00b"),
        ("font", "\udcff"),
    ],
)
def test_parameter_that_cannot_be_read_is_malformed_and_says_what_would_be(
    name: str, text: str
) -> None:
    with pytest.raises(MalformedParameter) as caught:
        read_text(name, text)
    assert name in caught.value.detail
    assert caught.value.value is not None
    assert caught.value.accepted == PARAMETERS[name].accepted
    assert f"{caught.value.detail}{caught.value.value}".encode()


@pytest.mark.parametrize("name", FORMATS)
def test_type_accepts_every_known_format_in_any_case(name: str) -> None:
    assert read_text("type", name.upper()) == name


@pytest.mark.parametrize("text", ["bmp", "magick", "AUTO", " png", "jpeg ", "\udcff"])
def test_type_that_is_unknown_is_unsupported(text: str) -> None:
    with pytest.raises(FormatUnsupported) as caught:
        read_text("type", text)
    assert "jpeg" in str(caught.value.accepted)


def test_parameters_that_are_unknown_or_unset_are_left_out() -> None:
    texts = {"width": "0", "gravity": "", "url": "x", "Width": "a", "field": "b", "nocrop": ""}
    assert read_parameters(texts) == {"width": 0, "nocrop": False}


def test_parameters_report_the_first_malformed_value() -> None:
    with pytest.raises(MalformedParameter, match="height"):
        read_parameters({"width": "1", "height": "x", "quality": "y"})
