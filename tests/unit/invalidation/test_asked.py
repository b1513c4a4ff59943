import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import InvalidationMalformed
from imcaxy.grammar.purge_keys import everything_key, file_key, folder_key, host_key
from imcaxy.grammar.source import Source, parse_source_url
from imcaxy.invalidation.asked import MOST, Asked, from_json, from_members, from_query, targets

A, B = "https://site.example/a.png", "https://site.example/b,1.png"


def body(**members: object) -> bytes:
    return json.dumps(members).encode()


def test_query_names_urls_by_comma_and_by_repetition() -> None:
    asked = from_query(f"projectName=shop&latestCommitHash=c0ffee&urls={A},{B}&urls=file:x.png")
    assert asked.urls == (A, B, "file:x.png")
    assert (asked.project, asked.commit) == ("shop", "c0ffee")


def test_plus_in_a_url_of_a_query_is_a_plus() -> None:
    assert from_query("urls=https://h/a+b.png").urls == ("https://h/a+b.png",)
    assert from_query("urls=https%3A%2F%2Fh%2Fa%252Bb.png").urls == ("https://h/a%2Bb.png",)
    assert from_query("projectName=my+shop&latestCommitHash=1").project == "my shop"


@pytest.mark.parametrize("written", ["%FF", "%ff", "%25FF"])
def test_bytes_that_are_no_utf8_stay_percent_encoded(written: str) -> None:
    asked = from_query(f"urls=https://h/a{written}.png")
    assert asked.urls == ("https://h/a%FF.png",)
    assert asked.keys() == {"https://h/a%FF.png": file_key(parse_source_url(asked.urls[0]))}


def test_text_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(InvalidationMalformed):
        from_members({"all": True, "projectName": "shop\udcff"})


def test_body_names_folders_hosts_and_all() -> None:
    asked = from_json(
        body(urls=[A, A], folders=["https://h/f"], hosts=["H"], all=True, dryRun=True, request="me")
    )
    assert asked == Asked(
        "me", urls=(A,), folders=("https://h/f",), hosts=("H",), everything=True, dry_run=True
    )
    assert asked.keys() == {
        A: file_key(Source("url", A)),
        "https://h/f": folder_key(Source("url", "https://h/f")),
        "H": host_key("h"),
        "*": everything_key(),
    }
    assert list(targets(asked)) == [A, "https://h/f", "H", "*"]


def test_host_may_be_written_as_an_address() -> None:
    assert from_query("hosts=https://H.example/x,b.example").keys() == {
        "https://H.example/x": host_key("h.example"),
        "b.example": host_key("b.example"),
    }


def test_commit_alone_is_a_call_that_moves_the_commit() -> None:
    asked = from_json(body(projectName="shop", commitHash="c0ffee"))
    assert asked.keys() == {}
    assert asked.commit == "c0ffee"


def test_each_call_has_a_request_id_of_its_own() -> None:
    assert from_query("all=true").request != from_query("all=true").request


def test_spellings_of_one_file_have_one_key() -> None:
    spellings = (
        "https://site.example/%C3%84rger/a+b%20c.png",
        "http://SITE.example:8080/A%CC%88rger/a%2Bb%20c.png?v=2",
        "https://site.example//x/../\u00c4rger/a+b c.png#top",
    )
    asked = from_json(body(urls=list(spellings)))
    assert len(set(asked.keys().values())) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"not json", "JSON"),
        (b"[]", "object"),
        (body(), "nothing"),
        (body(urls=[]), "nothing"),
        (body(urls=[7]), "urls"),
        (body(urls=[""]), "urls"),
        (body(urls={"a": 1}), "urls"),
        (body(all="perhaps"), "all"),
        (body(all=1), "all"),
        (body(url=[A]), "'url'"),
        (body(latestCommitHash="c"), "project"),
        (body(projectName=7, all=True), "projectName"),
        (body(projectName="p" * 201, all=True), "projectName"),
        (body(projectName="a\nb", all=True), "projectName"),
        (body(urls=["x"] * 3 + [f"https://h/{n}" for n in range(MOST)]), "too much"),
    ],
)
def test_body_that_cannot_be_read_is_refused_and_named(text: bytes, names: str) -> None:
    with pytest.raises(InvalidationMalformed, match=names):
        from_json(text)


def test_parameter_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidationMalformed, match="twice"):
        from_query("projectName=a&projectName=b")


def test_sources_that_cannot_be_are_named_together_and_nothing_is_done() -> None:
    asked = from_json(body(urls=[A, "site.example/a.png", "https://u:p@h/a.png"], hosts=["a b"]))
    with pytest.raises(InvalidationMalformed) as caught:
        asked.keys()
    value = caught.value.value or ""
    assert "site.example/a.png: " in value
    assert "https://u:p@h/a.png: " in value
    assert "a b: " in value
    assert A not in value


@given(st.text(max_size=60))
def test_any_query_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidationMalformed):
        from_query(text).keys()


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidationMalformed):
        from_json(data).keys()
