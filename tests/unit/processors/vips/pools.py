"""Pools of children that behave as they are told."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from imcaxy.processors.vips.children import Program
from imcaxy.processors.vips.pool import Pool
from tests.fakes.wire import until
from tests.unit.processors.vips.making import MIB

CHILD = Path(__file__).resolve().parents[3] / "fakes" / "vips_child.py"
MOST = 64 * 1024  # bytes of an answer


def program(manner: str) -> Program:
    command = (sys.executable, str(CHILD), manner)
    return Program(1024 * MIB, start_timeout=0.5 if manner == "mute" else 10, command=command)


@asynccontextmanager
async def pool_of(
    manner: str,
    processes: int = 1,
    timeout: float = 10.0,
    queue_timeout: float = 10.0,
    retire_after: int = 1000,
) -> AsyncIterator[Pool]:
    pool = Pool(
        program(manner),
        processes=processes,
        timeout=timeout,
        queue_timeout=queue_timeout,
        retire_after=retire_after,
    )
    try:
        yield pool
    finally:
        await pool.close()


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    await until(lambda: not running(pid))


async def children(pool: Pool, count: int) -> list[int]:
    """The ids of the children, as soon as there are that many."""
    await until(lambda: len(pool.children) == count)
    return [child.pid for child in pool.children]
