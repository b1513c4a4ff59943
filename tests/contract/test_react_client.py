"""react-client and the server mean the same: URLs, and the widths that components ask for.

react-client/test/unit/golden.test.ts holds the other side to the same files.
"""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from imcaxy.errors import MalformedParameter
from imcaxy.grammar.ladder import Ladder, hold_to_ladder
from imcaxy.grammar.parameters import read_text
from imcaxy.grammar.parse import parse_image_request
from imcaxy.settings import LADDER
from tests.contract.react_client_golden import GOLDEN, canonical, cases, limits, lines


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def test_urls_of_the_golden_file_are_the_canonical_ones() -> None:
    text = (GOLDEN / "urls.json").read_text()
    assert text == lines(cases()), "python -m tests.contract.react_client_golden writes it anew"


def test_ladder_of_the_golden_file_is_the_default_of_the_setting() -> None:
    assert tuple(golden("ladder.json")) == LADDER


def test_limits_of_the_golden_file_are_those_that_the_server_holds_to() -> None:
    assert golden("limits.json") == limits()
    for name, largest in limits().items():
        assert read_text(name, repr(largest)) is not None
        with pytest.raises(MalformedParameter):
            read_text(
                name, repr(largest + 1) if isinstance(largest, int) else repr(largest * 1.001)
            )


def test_urls_of_components_are_canonical() -> None:
    found = 0
    for case in golden("images.json"):
        attributes = case["attributes"]
        offered = [attributes["img"], *attributes["sources"]]
        urls = [each["src"] for each in offered if "src" in each]
        urls += [it.split(" ")[0] for each in offered for it in each.get("srcSet", "").split(", ")]
        for url in filter(None, urls):
            if not url.startswith("data:"):
                found += 1
                assert again(url) == url
    assert found > 100


def test_components_ask_for_widths_that_a_strict_server_allows() -> None:
    asked = [
        urlsplit(candidate.split(" ")[0])
        for case in golden("images.json")
        if "widths" not in case["config"]
        for each in [case["attributes"]["img"], *case["attributes"]["sources"]]
        for candidate in each.get("srcSet", "").split(", ")
        if candidate
    ]
    assert len(asked) > 100
    for url in asked:
        request = parse_image_request(url.path.rpartition("/")[2], url.query).request
        assert hold_to_ladder(request, Ladder(LADDER, strict=True)) == request


def again(url: str) -> str:
    """The canonical form of a URL, as the server reads what stands there."""
    base, _, operation = urlsplit(url).path.rpartition("/")
    texts = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    version = texts.pop("v", None)
    src = texts.pop("url", None) or texts.pop("file")
    return f"https://img.example{base}{canonical(operation, src, texts, version)}"
