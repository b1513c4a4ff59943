import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import MalformedParameter
from imcaxy.grammar.query import parse_query


# Every row was also given to Go's url.ParseQuery.
@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("a=%zz&a=2", {"a": "2"}),
        ("a=1;b=2&c=3", {"c": "3"}),
        ("a%3Bb=1", {"a;b": "1"}),
        ("a=1%3B2", {"a": "1;2"}),
        ("%zz=1&b=2", {"b": "2"}),
        ("a=%", {}),
        ("a=%4", {}),
        ("a=100%25", {"a": "100%"}),
        ("a=%2525", {"a": "%25"}),
        ("a=b+c%2Bd", {"a": "b c+d"}),
        ("a+b=1", {"a b": "1"}),
        ("nocrop=", {"nocrop": ""}),
        ("nocrop", {"nocrop": ""}),
        ("&&a=1&", {"a": "1"}),
        ("=1", {"": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("A=1&a=2", {"A": "1", "a": "2"}),
        ("a=%C5%BC", {"a": "ż"}),
        ("a=ż", {"a": "ż"}),
        ("a=%c5%bc&b=%FF", {"a": "ż", "b": "\udcff"}),
        ("a=b?c#d", {"a": "b?c#d"}),
        ("gravity=smart%7Cheight=10", {"gravity": "smart|height=10"}),
        ("gravity=smart%26height%3D10", {"gravity": "smart&height=10"}),
    ],
)
def test_query_is_read_as_go_reads_it(raw: str, pairs: dict[str, str]) -> None:
    assert parse_query(raw) == pairs


def test_query_with_characters_that_no_bytes_spell_is_malformed() -> None:
    with pytest.raises(MalformedParameter):
        parse_query("a=\ud800")


@given(st.binary())
def test_query_of_any_bytes_keeps_them(raw: bytes) -> None:
    escaped = "".join(f"%{octet:02x}" for octet in raw)
    assert parse_query(f"a={escaped}")["a"].encode("utf-8", "surrogateescape") == raw
