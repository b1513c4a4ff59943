import base64
import hashlib
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from imcaxy.gallery.page import EACH, OTHERS, gallery, recipes
from imcaxy.gallery.photographs import Photograph

CAT = Photograph("cat.png", "A cat")


def pictures(body: bytes) -> list[str]:
    return [unescape(text) for text in re.findall(r'data-picture="([^"]*)"', body.decode())]


def test_photograph_is_shown_in_several_ways_with_its_caption() -> None:
    body = gallery([CAT]).body
    found = pictures(body)
    assert len(found) == len(set(found)) == EACH
    assert all(parse_qs(urlsplit(address).query)["file"] == ["cat.png"] for address in found)
    alternatives = re.findall(rb'<img alt="([^"]*)">', body)
    assert len(alternatives) == EACH
    assert all(text.startswith(b"A cat") for text in alternatives)


def test_recipes_of_the_first_places_show_every_way() -> None:
    shown = {recipe for place in range(len(OTHERS)) for recipe in recipes(place)}
    assert shown >= set(OTHERS)


def test_no_directory_tells_how_to_name_one() -> None:
    body = gallery(None).body.decode()
    assert "IMCAXY_SOURCE_DIR=" in body
    assert "&lt;img src=" in body
    assert pictures(body.encode()) == []
    assert 'id="again"' not in body


def test_empty_directory_says_so() -> None:
    body = gallery([]).body
    assert b"has no JPEG" in body
    assert pictures(body) == []


def test_policy_allows_exactly_the_scripts_and_styles_of_the_page() -> None:
    document = gallery([CAT])
    text = document.body.decode()
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in document.policy
    assert "default-src 'none'" in document.policy
    assert not re.search(r'\s(style|on\w+)="', text)


def test_page_loads_nothing_from_elsewhere() -> None:
    text = gallery([CAT]).body.decode()
    assert re.findall(r'(?:src|href)="(?!imaginary/|data:,)', text) == []


@given(st.text(min_size=1), st.text())
def test_hostile_names_and_captions_stay_text(name: str, caption: str) -> None:
    body = gallery([Photograph(f"{name}.png", caption)]).body.decode("utf-8", "surrogatepass")
    reference = gallery([CAT]).body.decode()
    assert len(re.findall(r"<\w+", body)) == len(re.findall(r"<\w+", reference))
    for address in pictures(body.encode("utf-8", "surrogatepass")):
        assert parse_qs(urlsplit(address).query)["file"] == [f"{name}.png"]
