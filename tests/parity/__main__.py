"""The command: ask our server and a real Imaginary the same, and say where they differ."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.parity.asking import both
from tests.parity.comparison import Report, ask_and_compare
from tests.parity.real import NoImaginary
from tests.parity.requests import requests


async def run(count: int, seed: int, directory: Path) -> Report:
    """The report on `count` random requests; raises NoImaginary."""
    async with both(directory) as servers:
        return await ask_and_compare(servers, requests(count, seed))


def main() -> int:
    """Print the report; 1 when a difference has no name, 2 without an Imaginary."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worst", type=int, default=5, help="pictures to list, the least alike")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        try:
            report = asyncio.run(run(asked.requests, asked.seed, Path(directory)))
        except NoImaginary as error:
            sys.stderr.write(f"{error}\n")
            return 2
    sys.stdout.write("\n".join(report.lines(asked.worst)) + "\n")
    return 1 if report.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
