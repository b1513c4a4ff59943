"""A DNS server on a real socket whose answers change from one question to the next."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import cast

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord

Zone = Mapping[str, Sequence[Sequence[str]]]


class Nameserver(asyncio.DatagramProtocol):
    """Answers a name's nth question of a type with its nth set of addresses, the last for ever.

    A name whose set holds "silence" is not answered, one with "failure" gets SERVFAIL; "=name" is
    an alias. Nothing is valid for longer than the answer (TTL 0).
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: Counter[tuple[str, str]] = Counter()
        self.address: tuple[IPv4Address | IPv6Address, int]  # and port, once it listens

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        host, port = transport.get_extra_info("sockname")
        self.address = ip_address(host), port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = DNSRecord.parse(data)
        name, kind = str(question.q.qname).rstrip("."), QTYPE[question.q.qtype]
        answer = question.reply()
        turn = self.asked[name, kind]
        self.asked[name, kind] += 1
        sets = self.zone.get(name)
        if sets is None:
            answer.header.rcode = RCODE.NXDOMAIN
        else:
            now = sets[min(turn, len(sets) - 1)]
            if "silence" in now:
                return
            if "failure" in now:
                answer.header.rcode = RCODE.SERVFAIL
            self._add(answer, str(question.q.qname), kind, now)
        self._transport.sendto(answer.pack(), addr)

    def _add(self, answer: DNSRecord, name: str, kind: str, now: Sequence[str]) -> None:
        for item in now:
            if item.startswith("="):
                answer.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(item[1:]), ttl=0))
                self._add(answer, item[1:], kind, self.zone[item[1:]][0])
            elif item[0].isdigit() or ":" in item:
                address = ip_address(item)
                if (kind == "A") == (address.version == 4):
                    record = (A if kind == "A" else AAAA)(tuple(address.packed))
                    answer.add_answer(RR(name, getattr(QTYPE, kind), rdata=record, ttl=0))


@asynccontextmanager
async def nameserver(zone: Zone) -> AsyncIterator[Nameserver]:
    """The server, while the block lasts."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: Nameserver(zone), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
