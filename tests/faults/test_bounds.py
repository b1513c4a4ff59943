"""Pictures that are too large, that crash their maker or that take too long cost one request."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.e2e.harness import Response, Server, eventually
from tests.faults import memory, processes
from tests.faults.pictures import bomb, noise

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
EXPENSIVE = "/imaginary/resize?width=2500&type=avif&file=noise.jpg"  # takes some seconds
HOPELESS = "/imaginary/convert?type=avif&file=noise.jpg"  # takes many

pytestmark = pytest.mark.slow


@dataclass
class Site:
    """A server whose sources are files, with picture makers of its own."""

    server: Server

    async def small(self, width: int) -> Response:
        return await self.server.client.get(f"/imaginary/resize?width={width}&file=coffee.jpg")

    def makers(self) -> set[int]:
        return set(processes.children(self.server.process.pid))

    def spent(self) -> dict[int, float]:
        """Seconds of processor time, by maker."""
        return {pid: processes.cpu(pid) for pid in self.makers()}

    async def rest(self) -> None:
        """Return once no maker has worked for a while, so that none is starting any more."""
        before, quiet = self.spent(), 0
        while quiet < 10:
            await asyncio.sleep(0.05)
            now = self.spent()
            before, quiet = now, quiet + 1 if now == before else 0

    async def busy(self) -> int:
        """The maker that works, once one has been seen to."""
        spent = self.spent()
        for _ in range(500):
            await asyncio.sleep(0.02)
            for pid in self.makers():
                if processes.cpu(pid) - spent.get(pid, 0.0) > 0.1:
                    return pid
        raise AssertionError("no maker works")

    async def seconds(self, response: Response) -> float:
        """How long the server says that it took for this answer."""
        name = response.headers["x-request-id"]
        await eventually(lambda: name in self.server.output)
        line = next(line for line in self.server.output.splitlines() if name in line)
        return float(orjson.loads(line)["seconds"])


@asynccontextmanager
async def site(directory: Path, **settings: object) -> AsyncIterator[Site]:
    sources = directory / "sources"
    sources.mkdir(parents=True)
    (sources / "coffee.jpg").write_bytes((SAMPLES / "coffee.jpg").read_bytes())
    (sources / "noise.jpg").write_bytes(noise())
    (sources / "bomb.png").write_bytes(bomb())
    async with Server(directory, source_dir=sources, **settings) as server:
        here = Site(server)
        assert (await here.small(10)).status == 200  # a maker has started
        async with asyncio.timeout(30):
            await here.rest()
        yield here


async def test_bomb_is_refused_at_once_and_no_maker_sees_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        makers, spent = here.makers(), here.spent()
        before = processes.peak(here.server.process.pid)
        for width in range(100, 105):  # five signatures: none is answered from a remembered failure
            response = await here.server.client.get(
                f"/imaginary/resize?width={width}&file=bomb.png"
            )
            assert response.status == 422
            problem = orjson.loads(response.body)
            assert problem["type"] == "/problems/source-too-large"
            assert problem["value"].startswith("20000x20000")
            assert await here.seconds(response) < 0.5  # benchmarks/refuse.py has the real figure
        assert here.makers() == makers
        assert here.spent() == spent
        assert processes.peak(here.server.process.pid) - before < 8 * 1024 * 1024


async def test_crash_of_a_maker_costs_one_502_and_nothing_else(tmp_path: Path) -> None:
    settings = {"processes": 2, "remember_failures": 0.2}
    async with site(tmp_path, **settings) as here:
        victim = asyncio.gather(here.server.client.get(EXPENSIVE))
        pid = await here.busy()
        others = asyncio.gather(*(here.small(width) for width in range(20, 60)))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGSEGV)
        (crashed,) = await victim
        assert crashed.status == 502
        assert orjson.loads(crashed.body)["type"] == "/problems/processor-crashed"
        assert {response.status for response in await others} == {200}
        assert not processes.alive(pid)
        again = await here.server.client.get(EXPENSIVE)
        assert again.status == 502  # remembered: nothing was tried
        await asyncio.sleep(float(again.headers["retry-after"]) + 0.5)
        next_one = await here.server.client.get(EXPENSIVE)
        assert next_one.status == 200
        assert next_one.whole


async def test_decode_past_its_deadline_is_killed_and_answered_504(tmp_path: Path) -> None:
    settings = {"processes": 2, "process_timeout": 1}
    async with site(tmp_path, **settings) as here:
        late = asyncio.gather(here.server.client.get(HOPELESS))
        pid = await here.busy()
        (response,) = await late
        assert response.status == 504
        assert orjson.loads(response.body)["type"] == "/problems/processor-timeout"
        assert int(response.headers["retry-after"]) >= 1
        assert 1.0 <= response.took < 5.0
        await eventually(lambda: not processes.alive(pid), within=5.0)
        assert (await here.small(61)).status == 200
        assert len(here.makers()) <= 2


async def test_maker_that_grows_past_its_memory_costs_one_request(tmp_path: Path) -> None:
    async with site(tmp_path, processes=1, process_memory="300MiB") as here:
        response = await here.server.client.get("/imaginary/resize?width=6000&file=noise.jpg")
        assert response.status in (200, 422, 502)
        assert (await here.small(62)).status == 200
        for pid in here.makers():
            assert processes.peak(pid) < 300 * 1024 * 1024


async def test_memory_of_the_whole_tree_stays_under_its_bound(tmp_path: Path) -> None:
    peaks = await memory.Watching(tmp_path, 300).run()
    assert memory.faults(peaks) == [], str(peaks)
    assert peaks.statuses[200] > 200
    assert peaks.samples > 20
