import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import SourceMalformed
from imcaxy.grammar.purge_keys import (
    DEEPEST,
    FILES,
    everything_key,
    file_key,
    folder_key,
    host_key,
    named_keys,
    purge_keys,
)
from imcaxy.grammar.source import Source, parse_source_file, parse_source_url

PHOTO = parse_source_url("https://example.com/a/b/photo.jpg")


def url(text: str) -> Source:
    return parse_source_url(f"https://example.com{text}")


def test_named_keys_are_the_keys_and_say_what_they_stand_for() -> None:
    source = parse_source_url("https://h.example/a/b%20c.png?v=1")
    names = named_keys([source])
    assert tuple(names) == purge_keys([source])
    assert list(names.values()) == [
        "everything",
        "host h.example",
        "folder h.example/a/",
        "file h.example/a/b c.png",
    ]


def test_source_is_hit_by_its_file_each_folder_above_its_host_and_everything() -> None:
    assert purge_keys([PHOTO]) == (
        everything_key(),
        host_key("example.com"),
        folder_key(url("/a/")),
        folder_key(url("/a/b/")),
        file_key(PHOTO),
    )


def test_keys_of_several_sources_are_each_there_once() -> None:
    both = purge_keys([PHOTO, url("/a/c.jpg")])
    assert len(both) == len(set(both)) == 6
    assert set(both) == set(purge_keys([PHOTO])) | set(purge_keys([url("/a/c.jpg")]))


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/a/b/photo.jpg",
        "https://EXAMPLE.com:8443/a/b/photo.jpg?w=1&h=2#f",
        "https://example.com./a/b/photo.jpg",
        "https://example.com/a/b/%70hoto.jpg",
        "https://example.com/a%2Fb/photo.jpg",
        "https://example.com/a/./x/../b//photo.jpg",
        "https://example.com/../a/b/photo.jpg",
        "https://example.com/a/%2e%2e/a/b/photo.jpg",
        "https://example.com/a/b/photo.jpg/",
    ],
)
def test_spellings_of_one_file_share_its_key(text: str) -> None:
    assert file_key(parse_source_url(text)) == file_key(PHOTO)


def test_composed_and_decomposed_letters_share_a_key() -> None:
    assert (
        file_key(url("/\u00e9.jpg"))
        == file_key(url("/e\u0301.jpg"))
        == file_key(url("/%C3%A9.jpg"))
    )


def test_unicode_and_ascii_spelling_of_a_host_share_a_key() -> None:
    assert host_key("Żółw.pl") == host_key("xn--w-uga1v8h.pl")


@pytest.mark.parametrize(
    "text",
    [
        "/a/b/photo.png",
        "/a/b",
        "/b/photo.jpg",
        "/a/b/c/photo.jpg",
        "/A/b/photo.jpg",
        "/a/b/%2570hoto.jpg",
    ],
)
def test_other_files_have_other_keys(text: str) -> None:
    assert file_key(url(text)) not in purge_keys([PHOTO])


def test_path_is_decoded_once() -> None:
    assert file_key(url("/%2561")) != file_key(url("/a"))
    assert file_key(url("/%FF")) != file_key(url("/%FE"))


def test_folder_hits_what_lies_below_it_and_nothing_else() -> None:
    folder = folder_key(url("/a/b"))
    assert folder == folder_key(url("/a/b/"))
    assert folder in purge_keys([url("/a/b/x")])
    assert folder in purge_keys([url("/a/b/c/x")])
    assert folder in purge_keys([url("/a/b/")])
    assert folder in purge_keys([url("/a/b/.")])
    assert folder in purge_keys([url("/a/b/c/..")])
    assert folder not in purge_keys([url("/a/bc/x")])
    assert folder not in purge_keys([url("/a/b")])
    assert folder not in purge_keys([parse_source_url("https://example.org/a/b/x")])


def test_folder_at_the_root_is_the_host() -> None:
    assert folder_key(url("/")) == host_key("example.com")
    assert host_key("example.com") in purge_keys([url("/")])


def test_folder_deeper_than_the_bound_is_hit_through_its_ancestor() -> None:
    deep = "/x" * 1000
    keys = purge_keys([url(f"{deep}/a.jpg")])
    assert len(keys) == DEEPEST + 3
    assert folder_key(url(f"{deep}/")) in keys
    assert folder_key(url(f"{deep}/")) == folder_key(url("/x" * DEEPEST))


def test_file_of_the_source_directory_is_no_url() -> None:
    file = parse_source_file("a/b/photo.jpg")
    keys = purge_keys([file])
    assert set(keys) & set(purge_keys([PHOTO])) == {everything_key()}
    assert keys == (
        everything_key(),
        host_key(FILES),
        folder_key(parse_source_file("a")),
        folder_key(parse_source_file("a/b/")),
        file_key(file),
    )
    assert file_key(parse_source_file("a%62")) != file_key(parse_source_file("ab"))


def test_host_that_cannot_be_read_is_malformed() -> None:
    for host in ("", "file:x", "2130706433"):
        with pytest.raises(SourceMalformed):
            host_key(host)


@given(st.text(st.sampled_from("ab/.%2fFé\u0301"), max_size=20), st.text(max_size=5))
def test_every_key_that_can_be_asked_for_is_among_those_of_the_source(path: str, tail: str) -> None:
    try:
        source = url(f"/{path}{tail}")
    except SourceMalformed:
        return
    keys = purge_keys([source])
    assert {file_key(source), host_key(source.host), everything_key()} <= set(keys)
    folder = Source("url", source.value.partition("?")[0].rpartition("/")[0] + "/")
    assert folder_key(folder) in keys or "%2f" in source.value.lower() or "/.." in source.value
