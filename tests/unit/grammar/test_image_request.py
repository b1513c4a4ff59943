from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.source import Source

PHOTO = Source("url", "https://example.com/a.jpg")
LOGO = Source("url", "https://example.com/b.png")
REQUEST = ImageRequest("crop", (("height", 1), ("width", 2)), PHOTO, (LOGO,))


def test_request_lists_the_original_before_the_overlays() -> None:
    assert REQUEST.sources == (PHOTO, LOGO)


def test_request_gives_its_parameters_by_name() -> None:
    assert REQUEST.options == {"height": 1, "width": 2}
