import os
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcaxy.grammar.purge_keys import file_key
from imcaxy.grammar.source import parse_source_url
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.paths import composed, escaped, shown
from imcaxy_invalidator.places import addresses, place

PUBLIC = place("public/=https://site.example/")


@pytest.mark.parametrize(
    ("mapping", "path", "url"),
    [
        ("public/=https://s.example/", "public/a/b.png", "https://s.example/a/b.png"),
        ("public=https://s.example", "public/a.png", "https://s.example/a.png"),
        ("./public//=https://s.example/x/", "public/a.png", "https://s.example/x/a.png"),
        ("=https://s.example/", "a/b.png", "https://s.example/a/b.png"),
        ("./=http://[::1]:8080/", "a.png", "http://[::1]:8080/a.png"),
        ("art/logo.png=https://s.example/l.png", "art/logo.png", "https://s.example/l.png"),
        ("a=b/=https://s.example/", "a=b/c.png", "https://s.example/c.png"),
        ("\u00e9/=https://s.example/", "e\u0301/a.png", "https://s.example/a.png"),
        ("public/=file:", "public/a b.png", "file:a b.png"),
        ("public/=file:/pics/", "public/x/100%.png", "file:pics/x/100%.png"),
        ("public/=https://s.example/%20x/", "public/a.png", "https://s.example/%20x/a.png"),
    ],
)
def test_path_is_published_at_the_address(mapping: str, path: str, url: str) -> None:
    assert place(mapping).address(path) == url


@pytest.mark.parametrize("path", ["a.png", "publicity/a.png", "x/public/a.png", "Public/a.png"])
def test_path_outside_is_not_published(path: str) -> None:
    assert PUBLIC.address(path) is None


def test_every_place_that_holds_a_path_gives_an_address() -> None:
    places = [place(f"{it}=https://{n}.example/") for n, it in enumerate(["", "a/", "a/b/", "c/"])]
    assert addresses("a/b/x.png", [*places, places[0]]) == [
        "https://0.example/a/b/x.png",
        "https://1.example/b/x.png",
        "https://2.example/x.png",
    ]


@pytest.mark.parametrize(
    "mapping",
    [
        "public/",
        "public/=site.example",
        "public/=ftp://site.example/",
        "public/=https://",
        "public/=https:///x",
        "public/=https://site.example/?q",
        "public/=https://site.example/#f",
        "public/=https://me:pw@site.example/",
        "public/=https://site.example:port/",
        "public/=https://site.example/%zz",
        "public/=https://site.example/a b",
        "public/=https://[::1/",
        "../x=https://site.example/",
    ],
)
def test_mapping_that_cannot_be_meant_is_refused(mapping: str) -> None:
    with pytest.raises(Misused, match="--map"):
        place(mapping)


NAMES = st.binary(min_size=1, max_size=30).filter(
    lambda it: not set(it) & set(b"\0/") and it not in {b".", b".."}
)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=3))
def test_escaped_name_is_ascii_and_gives_its_bytes_back(names: list[bytes]) -> None:
    path = os.fsdecode(b"/".join(names))
    text = escaped(path)
    assert text.isascii()
    assert not set(text) & set(' "<>?#[]\\^`{|}\n')
    assert unquote_to_bytes(text) == b"/".join(names)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=3))
def test_server_finds_the_file_under_the_address(names: list[bytes]) -> None:
    """What git calls a file and what a page calls it meet in one purge key of the server."""
    url = PUBLIC.address(os.fsdecode(b"public/" + b"/".join(names)))
    assert url is not None
    page = "https://SITE.example:443/" + "/".join(
        "".join(f"%{octet:02x}" for octet in name) for name in names
    )
    assert file_key(parse_source_url(url)) == file_key(parse_source_url(page + "?v=1"))


def test_composed_and_decomposed_names_meet_on_the_server() -> None:
    composed_url, other = (PUBLIC.address(f"public/{it}.png") for it in ("\u00e9", "e\u0301"))
    assert composed_url is not None
    assert other is not None
    assert composed_url != other  # the exact bytes of the name
    assert file_key(parse_source_url(composed_url)) == file_key(parse_source_url(other))
    assert composed("e\u0301") == "\u00e9"


def test_shown_path_is_one_line_of_printable_text() -> None:
    assert shown("a\nb\x1b[1m\udcff\u00e9.png") == "a\\nb\\x1b[1m\\udcff\u00e9.png"
