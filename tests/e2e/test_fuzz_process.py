"""20,000 random requests in random splits at a running server; h11 judges every answer."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import h11
import pytest

from tests.e2e.asking import ask, logged
from tests.e2e.server import ROOT, Server
from tests.unit.server.test_fuzz import TARGETS, random_request

COUNT = 20_000
LANES = 48  # connections at a time
PATIENCE = 40.0  # seconds until the server must have answered, and closed, a connection
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OURS = (
    "/imaginary/resize?width=64&type=webp&file=coffee.jpg",
    "/imaginary/resize?width=64&type=auto&file=coffee.jpg",
    "/imaginary/resize?width=abc&file=coffee.jpg",
    "/imaginary/resize?width=64&file=missing.jpg",
    "/healthz",
    "/imaginary/nothing?file=coffee.jpg",
    *TARGETS,
)


async def lane(server: Server, seed: int, count: int, seen: Counter[int]) -> None:
    """Send so many requests in batches, each batch on a connection that must come to its end."""
    chance = random.Random(seed)
    while count > 0:
        plain = chance.random() < 0.5
        size = min(count, chance.choice((1, 5, 30)))
        batch = [random_request(chance, plain, OURS) for _ in range(size)]
        count -= size
        try:
            async with asyncio.timeout(PATIENCE):
                raw = await exchanged(server, b"".join([*batch, LAST]), chance)
        except TimeoutError:
            pytest.fail(f"no end after {PATIENCE} s of {batch}")
        for status in statuses(raw):
            seen[status] += 1


async def exchanged(server: Server, raw: bytes, chance: random.Random) -> bytes:
    """All that the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    received = bytearray()

    async def send() -> None:
        start = 0
        while start < len(raw):
            size = chance.choice((1, 3, 50, 1000, 100_000))
            writer.write(raw[start : start + size])
            await writer.drain()
            start += size
            if chance.random() < 0.3:
                await asyncio.sleep(0)

    sending = asyncio.get_running_loop().create_task(send())
    try:
        while piece := await reader.read(65536):
            received += piece
    except ConnectionError:
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return bytes(received)


def statuses(raw: bytes) -> list[int]:
    """The status of each answer in these bytes; fails on any that h11 refuses.

    Whether an answer is one to HEAD is not known: it is taken for one when the next answer, or
    nothing, stands where its body would. The last may have been broken off within its body.
    """
    found: list[int] = []
    while raw:
        head, divider, rest = raw.partition(b"\r\n\r\n")
        if not divider:
            break
        bodyless = not rest or rest.startswith(b"HTTP/1.1 ")
        parser = h11.Connection(h11.CLIENT)
        method = b"HEAD" if bodyless else b"GET"
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(raw)
        event = parser.next_event()
        if isinstance(event, h11.InformationalResponse):
            assert event.status_code == 100, head
            raw = rest
            continue
        assert isinstance(event, h11.Response), (event, head)
        found.append(event.status_code)
        while isinstance(event := parser.next_event(), h11.Data):
            pass
        if event is h11.NEED_DATA:
            break
        assert isinstance(event, h11.EndOfMessage), (event, head)
        raw = parser.trailing_data[0]
    return found


async def test_random_requests_at_a_process_are_answered_or_refused_cleanly(
    tmp_path: Path,
) -> None:
    async with Server(tmp_path, source_dir=ROOT / "samples") as server:
        seen: Counter[int] = Counter()
        await asyncio.gather(*(lane(server, n, COUNT // LANES + 1, seen) for n in range(LANES)))
        assert sum(seen.values()) > COUNT / 3
        assert {200, 206, 304, 400, 404, 405, 416} <= seen.keys()
        assert max(seen) < 500, seen
        assert server.process.poll() is None
        assert (await ask(server.port, OURS[0])).status == 200
        await server.stop()
        ends = Counter((line["status"], line["ended"]) for line in logged(server, ""))
        assert {status for status, ended in ends if ended == "cut"} <= {0}, ends
        assert "Traceback" not in server.output
        assert '"level":"ERROR"' not in server.output
