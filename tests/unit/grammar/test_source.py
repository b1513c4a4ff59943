import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import SourceError, SourceMalformed, SourceRefused
from imcaxy.grammar.source import LONGEST, Source, parse_source_file, parse_source_url


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A", "https://example.com/A"),
        ("http://example.com:0080/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com?a=1", "http://example.com/?a=1"),
        ("http://example.com/?", "http://example.com/?"),
        ("http://example.com/a#b?c", "http://example.com/a"),
        ("http://example.com/a b/ż.jpg", "http://example.com/a%20b/%C5%BC.jpg"),
        ("http://example.com/%2f%2F%41", "http://example.com/%2f%2F%41"),
        ("http://example.com/a/../b//c", "http://example.com/a/../b//c"),
        ("http://example.com/a?b=[1]|{2}", "http://example.com/a?b=%5B1%5D%7C%7B2%7D"),
        ("http://example.com/?q=100%&r=%41", "http://example.com/?q=100%25&r=%41"),
        ("http://example.com/?a?b/c", "http://example.com/?a?b/c"),
        ("http://example.com/\udcff", "http://example.com/%FF"),
        ("http://example.com/@a:b", "http://example.com/@a:b"),
        ("http://żółw.pl/", "http://xn--w-uga1v8h.pl/"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
    ],
)
def test_url_has_one_spelling(text: str, value: str) -> None:
    assert parse_source_url(text) == Source("url", value)
    assert parse_source_url(value) == Source("url", value)


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com/a", "//example.com/a", "/a", "ftp://example.com/", "file:///etc/passwd",
        "http:/example.com", "http:example.com", "http://", "http:///a", "http://?a", "http://:80/",
        " http://example.com/", "http://example.com /", "http://a b/", "http://example.com:0/",
        "http://example.com:65536/", "http://example.com:123456/", "http://example.com:8o/",
        "http://example.com/a\nb", "http://example.com/a\tb", "http://example.com/a\x7f",
        "http://example.com\\@evil.org/", "http://example.com/%zz", "http://example.com/100%",
        "http://[::1/", "http://[fe80::1%25eth0]/", "http://2130706433/", "http://0177.0.0.1/",
        "http://0x7f.1/", "http://127.1/", "http://example.com/\ud800", "http://a]b/", "http://a:b:1/",
        "http://example.com/" + "a" * LONGEST, "http://example.com/" + "ż" * 3000, "gopher://a/",
    ],
)  # fmt: skip
def test_url_that_cannot_be_read_is_malformed(text: str) -> None:
    with pytest.raises(SourceMalformed) as caught:
        parse_source_url(text)
    assert caught.value.accepted
    assert str(caught.value.value).encode() is not None


@pytest.mark.parametrize(
    "text", ["http://user@example.com/", "http://u:secret@example.com/", "http://@example.com/"]
)
def test_url_with_user_information_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        parse_source_url(text)
    assert caught.value.value is None


@pytest.mark.parametrize(
    ("source", "host"),
    [
        (Source("url", "https://example.com:8443/a"), "example.com"),
        (Source("url", "http://[::1]/a"), "[::1]"),
        (Source("file", "a/b"), ""),
    ],
)
def test_source_knows_its_host(source: Source, host: str) -> None:
    assert source.host == host


@given(
    st.text(st.characters(codec=None), max_size=40), st.sampled_from(["", "http://", "http://a/"])
)
def test_url_of_any_text_is_canonical_or_a_source_error(text: str, prefix: str) -> None:
    try:
        source = parse_source_url(prefix + text)
    except SourceError:
        return
    assert source.value.isascii()
    assert parse_source_url(source.value) == source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.jpg", "a.jpg"),
        ("/a.jpg", "a.jpg"),
        ("//a/./b//c.jpg", "a/b/c.jpg"),
        ("a/../b.jpg", "b.jpg"),
        ("100%25.jpg", "100%25.jpg"),
        ("a b+ż.jpg", "a b+ż.jpg"),
        ("a/", "a"),
        ("...", "..."),
    ],
)
def test_file_has_one_spelling_and_is_not_decoded_again(text: str, value: str) -> None:
    assert parse_source_file(text) == Source("file", value)
    assert parse_source_file(value) == Source("file", value)


@pytest.mark.parametrize(
    "text",
    ["", "/", ".", "a/..", "a\x00b", "a\nb", "a\\b", "..\\a", "\udcff", "ż" * 4097],
)
def test_file_that_cannot_be_read_is_malformed(text: str) -> None:
    with pytest.raises(SourceMalformed):
        parse_source_file(text)


@pytest.mark.parametrize("text", ["..", "../a", "/../a", "a/../../b", "a/b/../../../a/b"])
def test_file_that_leads_out_of_the_directory_is_refused(text: str) -> None:
    with pytest.raises(SourceRefused):
        parse_source_file(text)


@given(st.text(st.sampled_from("ab./\\\x00ż"), max_size=12))
def test_file_of_any_text_stays_below_or_is_a_source_error(text: str) -> None:
    try:
        source = parse_source_file(text)
    except SourceError:
        return
    assert not {"", ".", ".."} & set(source.value.split("/"))
    assert parse_source_file(source.value) == source
