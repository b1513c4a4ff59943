"""Which addresses count as public."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.sources.addresses import is_allowed, is_public

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450:4001:831::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
SPECIAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",  # IPv4-translated, RFC 2765
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",  # discard-only
    "2001::1",  # Teredo
    "2001:0:7f00:1::",
    "2001:2::1",  # benchmarking
    "2001:10::1",  # ORCHID
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4
    "2002:808:808::",
    "3ffe::1",
    "3fff::1",
    "5f00::1",  # segment routing
    "2a00:1450::5efe:7f00:1",  # ISATAP
    "2a00:1450::200:5efe:808:808",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "2606:4700::1111%eth0",
    "fe80::1%1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_is_public_ordinary_address_is_true(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", SPECIAL)
def test_is_public_special_address_is_false(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_is_public_any_ipv4_is_never_what_python_calls_special(address: IPv4Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    assert not (is_public(address) and special)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_is_public_any_ipv6_is_never_what_python_calls_special(address: IPv6Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_site_local
        or address.is_multicast
        or address.is_unspecified
    )
    assert not (is_public(address) and special)


@given(st.integers(0, 2**32 - 1))
def test_is_public_embedded_ipv4_is_never_more_public_than_itself(number: int) -> None:
    plain = is_public(IPv4Address(number))
    mapped = IPv6Address(0xFFFF << 32 | number)
    translated = IPv6Address(0x64FF9B << 96 | number)
    assert is_public(mapped) == plain
    assert is_public(translated) == plain
    for tunnel in (number, 0x2002 << 112 | number << 80, 0x20010000 << 96 | number):
        assert not is_public(IPv6Address(tunnel))


def test_is_allowed_network_named_opens_only_itself() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd12::/16"))
    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert is_allowed(ip_address("fd12::1"), networks)
    assert is_allowed(ip_address("8.8.8.8"), networks)
    assert not is_allowed(ip_address("10.2.0.1"), networks)
    assert not is_allowed(ip_address("127.0.0.1"), networks)
    assert not is_allowed(ip_address("fd12::1%eth0"), networks)


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1"])
def test_is_allowed_dev_opens_loopback_and_private(text: str) -> None:
    assert is_allowed(ip_address(text), dev=True)
    assert not is_allowed(ip_address(text), dev=False)


@pytest.mark.parametrize("text", ["169.254.169.254", "0.0.0.0", "fe80::1", "::", "224.0.0.1"])
def test_is_allowed_dev_keeps_the_rest_closed(text: str) -> None:
    assert not is_allowed(ip_address(text), dev=True)
