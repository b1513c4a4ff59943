from ipaddress import ip_address

import pytest

from imcaxy.nameserver import parse_nameserver


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 53),
        ("10.0.0.1:5353", "10.0.0.1", 5353),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5353", "::1", 5353),
    ],
)
def test_parse_nameserver_reads_address_and_port(text: str, address: str, port: int) -> None:
    assert parse_nameserver(text) == (ip_address(address), port)


@pytest.mark.parametrize(
    "text", ["", "dns.example", "1.1.1.1:0", "1.1.1.1:65536", "1.1.1.1:x", "[::1", "[::1]53", ":53"]
)
def test_parse_nameserver_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_nameserver(text)
