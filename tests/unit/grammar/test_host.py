import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import SourceMalformed
from imcaxy.grammar.host import canonical_host, source_domain_allowed


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("my_bucket.example.com", "my_bucket.example.com"),
        ("r3---sn.example.com", "r3---sn.example.com"),
        ("żółw.pl", "xn--w-uga1v8h.pl"),
        ("XN--W-UGA1V8H.PL", "xn--w-uga1v8h.pl"),
        ("faß.de", "xn--fa-hia.de"),
        ("example。com", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("\u2460\u2461\u2466.0.0.1", "127.0.0.1"),  # circled digits
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        ("[::FFFF:7f00:1]", "[::ffff:127.0.0.1]"),
        ("1.2.3.4.example.com", "1.2.3.4.example.com"),
    ],
)
def test_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host
    assert canonical_host(host) == host


@pytest.mark.parametrize(
    "text",
    [
        # what inet_aton reads as an address
        "2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "127.0.1",
        "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "0x", "a.0X7F", "example.1", "127。1",
        "\uff12\uff11\uff13\uff10\uff17\uff10\uff16\uff14\uff13\uff13",  # full-width digits
        # what is no host
        "", ".", "..", "a..b", "a..", ".a", "a b", "a/b", "ex%61mple.com", "a:b", "a@b", "℀.com",
        "a" * 64, ".".join(["abcd"] * 60), "ż" * 300, "\udcff.com", "a\u200d.com",
        # IPv6
        "[", "[]", "[::1", "[::1]x", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[1.2.3.4]", "[v1.a]",
        "::1",
    ],
)  # fmt: skip
def test_host_in_an_odd_spelling_is_malformed(text: str) -> None:
    with pytest.raises(SourceMalformed):
        canonical_host(text)


@given(st.text(max_size=30))
def test_host_of_any_text_is_canonical_or_malformed(text: str) -> None:
    try:
        host = canonical_host(text)
    except SourceMalformed:
        return
    assert host.isascii()
    assert canonical_host(host) == host


@pytest.mark.parametrize(
    ("host", "allowed", "covered"),
    [
        ("example.com", ["*"], True),
        ("example.com", [], False),
        ("example.com", ["Example.COM"], True),
        ("example.com", [" example.com "], True),
        ("www.example.com", ["example.com"], False),
        ("example.com", ["*.example.com"], True),
        ("a.b.example.com", ["*.example.com"], True),
        ("notexample.com", ["*.example.com"], False),
        ("example.com.evil.org", ["*.example.com", "example.com"], False),
        ("xn--w-uga1v8h.pl", ["żółw.pl"], True),
        ("ŻÓŁW.pl", ["*.xn--w-uga1v8h.pl"], True),
        ("example.com", ["", "*.", "**", "*.*", "exa mple"], False),
        ("127.0.0.1", ["*.0.0.1", "127.1"], False),
        ("[::1]", ["[0:0:0:0:0:0:0:1]"], True),
        ("2130706433", ["*"], False),
        ("", ["*"], False),
    ],
)
def test_domain_is_allowed_exactly_where_a_pattern_covers_it(
    host: str, allowed: list[str], covered: bool
) -> None:
    assert source_domain_allowed(host, allowed) is covered
