"""Which network addresses a source may lie at. Pure.

The tables follow the IANA special-purpose address registries (RFC 6890 and its updates). They are
written out, not taken from `ipaddress.is_global`, whose answers differ between Python releases.
IPv6 is judged the other way round from IPv4: only 2000::/3 is handed out to the public, so what
lies outside is refused without naming it (RFC 4291 section 2.4).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux connects 0.0.0.0 to itself (RFC 1122)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # a cloud's host agent, on an address that looks public
        "169.254.0.0/16",  # link-local (RFC 3927); metadata services at 169.254.169.254
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890); a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays, withdrawn (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast 255.255.255.255 (RFC 1112, RFC 919)
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID (RFC 2928, RFC 4380)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: carries an IPv4 address (RFC 3056)
        "3ffe::/16",  # 6bone, returned (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # the well-known prefix only: RFC 6052 section 2.1
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # upper half of the interface identifier: RFC 5214 section 6.1
_PRIVATE: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),  # unique local (RFC 4193)
)


def is_public(address: Address) -> bool:
    """Whether the address is an ordinary one of the public internet.

    An IPv4 address inside IPv6 counts as what it embeds where a host really uses such addresses
    (IPv4-mapped; NAT64 under the well-known prefix); every other tunnel is refused whatever it
    embeds (IPv4-compatible, 6to4, Teredo, ISATAP, NAT64 under a local prefix), as is an address
    with a scope.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if address.scope_id is not None:
        return False
    embedded = address.ipv4_mapped
    if embedded is None and address in _NAT64:
        embedded = IPv4Address(int(address) & 0xFFFF_FFFF)
    if embedded is not None:
        return is_public(embedded)
    if address not in _UNICAST_6 or any(address in network for network in _SPECIAL_6):
        return False
    return int(address) >> 32 & 0xFFFF_FFFF not in _ISATAP


def is_allowed(address: Address, networks: Sequence[Network] = (), *, dev: bool = False) -> bool:
    """Whether a source may be fetched from the address.

    Public addresses may; `networks` adds to them, and `dev` adds loopback and private ones. Neither
    opens link-local addresses unless a network names them, nor ever one with a scope.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    opened = (*networks, *_PRIVATE) if dev else networks
    return is_public(address) or any(address in network for network in opened)
