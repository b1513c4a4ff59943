"""What the torture is done to: one server with workers."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.e2e.crew import Crew
from tests.e2e.harness import Client, Server, eventually
from tests.e2e.purging import SETTINGS

WORKERS = 4
PURGE_TIMEOUT = 1.5  # seconds


class Tortured(Protocol):
    """Processes that share what they keep, some of which fail."""

    size: int  # addresses
    shared: bool  # by machines, so that a 202 may come of slowness alone
    patience: float  # seconds in which an invalidation must be done
    purge_timeout: float  # seconds after which it is answered 202
    pause: float  # seconds between two looks at an invalidation

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    @property
    def pids(self) -> set[int]:
        """Processes that are alive."""
        ...

    def choose(self, chance: random.Random) -> tuple[int, Client]:
        """One of the addresses, and its client."""
        ...

    def confirmed(self, but: Sequence[str]) -> Iterable[int]:
        """The addresses of which a 202 promises the new version, that names these instances."""
        ...

    async def mended(self) -> None:
        """Return when everybody who was killed is back."""
        ...


class Workers:
    """One server with four workers behind one address, on SQLite and files."""

    size = 1
    shared = False
    patience = 45.0
    purge_timeout = PURGE_TIMEOUT
    pause = 0.02

    def __init__(self, place: Path, mutant: str) -> None:
        self._server = Server(
            place / "server",
            workers=WORKERS,
            processes=2,
            offline_grace=5,
            purge_timeout=PURGE_TIMEOUT,
            queue_limit=1000,
            remember_failures=0,
            **SETTINGS,
        )
        self._server.module = "tests.faults.saboteur"
        self._server.environment = {"SABOTAGE": str(place), "MUTANT": mutant}
        self._crew = Crew(self._server)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.__aexit__()

    @property
    def pids(self) -> set[int]:
        """The workers that are alive."""
        return self._crew.pids

    def choose(self, chance: random.Random) -> tuple[int, Client]:
        """Each connection goes to one of the workers."""
        return 0, self._server.client

    def confirmed(self, but: Sequence[str]) -> Iterable[int]:
        """Which worker answers cannot be chosen: all or none."""
        return () if but else (0,)

    async def mended(self) -> None:
        """The server replaces its workers by itself."""
        await eventually(lambda: len(self.pids) == WORKERS)
