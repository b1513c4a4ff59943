from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source

PHOTO = Source("url", "https://example.com/a.jpg")
LOGO = Source("url", "https://example.com/b.png")
REQUEST = ImageRequest("crop", (("height", 1), ("width", 2)), PHOTO, (LOGO,))


def test_request_lists_the_original_before_the_overlays() -> None:
    assert REQUEST.sources == (PHOTO, LOGO)


def test_request_with_a_parameter_stays_sorted() -> None:
    changed = REQUEST.with_parameter("type", "webp").with_parameter("height", 5)
    assert changed.parameters == (("height", 5), ("type", "webp"), ("width", 2))
    assert changed.options == {"height": 5, "type": "webp", "width": 2}


def test_request_without_a_parameter_loses_it() -> None:
    assert REQUEST.with_parameter("height", None).parameters == (("width", 2),)
