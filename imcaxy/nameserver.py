"""How a DNS server is written."""

import ipaddress
import re

_NAMESERVER = re.compile(r"(?:\[(.*)\]|([^:]*))(?::([0-9]{1,5}))?")


def parse_nameserver(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Address and port (53 unless given) of `address`, `address:port` or `[address]:port`.

    Raises ValueError.
    """
    match = _NAMESERVER.fullmatch(text)
    host, port = (match[1] or match[2], int(match[3] or 53)) if match else (text, 53)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not 0 < port < 65536:
        message = f"{text!r} is not an address, address:port or [address]:port"
        raise ValueError(message)
    return address, port
