"""How long it takes to refuse a picture of a few hundred kB that would unpack to 400 MB.

`python benchmarks/refuse.py`: the server's own seconds, from its access log, over several widths,
so that no answer is a remembered one. Once from a directory, once from an origin over HTTP.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.harness import Answer, ScriptedOrigin, Server, eventually
from tests.faults.pictures import bomb

RUNS = 20
GOAL = 50  # milliseconds


async def refusals(server: Server, source: str) -> list[float]:
    """Milliseconds of each refusal."""
    taken = []
    for width in range(100, 100 + RUNS):
        answer = await server.client.get(f"/imaginary/resize?width={width}&{source}")
        assert answer.status == 422, answer.body  # noqa: S101 - nothing else is worth measuring
        taken.append(await logged(server, answer.headers["x-request-id"]))
    return taken


async def logged(server: Server, request: str) -> float:
    """Milliseconds that the access log says of a request."""
    await eventually(lambda: request in server.output)
    line = next(line for line in server.output.splitlines() if request in line)
    return float(orjson.loads(line)["seconds"]) * 1000


async def measure(directory: Path) -> None:
    sources = directory / "sources"
    sources.mkdir()
    (sources / "bomb.png").write_bytes(bomb())
    async with ScriptedOrigin() as origin, Server(directory, source_dir=sources) as server:
        origin.script("/bomb.png", Answer(bomb()))
        print(f"a PNG of {len(bomb()) / 1000:.0f} kB that declares 20,000 x 20,000 pixels")
        url = quote(f"{origin.url}/bomb.png", safe="")
        for name, source in (("file=", "file=bomb.png"), ("url=", f"url={url}")):
            taken = await refusals(server, source)
            low, middle, high = min(taken), statistics.median(taken), max(taken)
            print(f"{name:6} {middle:7.1f} ms  ({low:.1f} to {high:.1f}; goal: under {GOAL})")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory)))


if __name__ == "__main__":
    main()
