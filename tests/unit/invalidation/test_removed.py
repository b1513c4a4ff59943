from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.rebuild import to_route
from imcaxy.grammar.source import Source
from imcaxy.invalidation.removed import Removed
from tests.fakes.rows import an_entry

REQUEST = ImageRequest(
    "resize", (("width", 300), ("type", "webp")), Source("url", "https://h/a%20b.png?x=1&y=2")
)


def test_entry_comes_back_from_its_text() -> None:
    removed = Removed.of(an_entry(request=to_route(REQUEST)))
    assert Removed.parse(str(removed)) == removed


def test_json_names_what_a_client_of_the_earlier_program_reads() -> None:
    removed = Removed("sig", "image/webp", 7, to_route(REQUEST))
    assert removed.to_json() == {
        "rawRequest": "/imaginary/resize?url=https%3A%2F%2Fh%2Fa%2520b.png%3Fx%3D1%26y%3D2"
        "&width=300&type=webp",
        "requestSignature": "sig",
        "processorType": "imaginary",
        "processorEndpoint": "/resize",
        "mimeType": "image/webp",
        "imageSize": 7,
        "sourceImageURL": "https://h/a%20b.png?x=1&y=2",
        "processingParams": {"width": "300", "type": "webp"},
    }


def test_entry_of_an_earlier_version_has_no_request() -> None:
    assert Removed.of(an_entry(request="")).to_json()["sourceImageURL"] == ""
