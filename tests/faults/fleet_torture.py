"""The torture of three instances that share a real MongoDB and a real bucket.

Everything of torture.py happens to them, Imaginary is the real one, and what lies between an
instance and its stores cuts, delays, hangs and resets as well.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from imcaxy.tasks import Tasks
from tests import real
from tests.between import Between
from tests.e2e.fleet import SIZE, host_of, settings_of
from tests.e2e.harness import Client, Server, eventually
from tests.e2e.purging import SETTINGS
from tests.faults.torture import Torture

_BOOT = 90.0  # seconds; FerretDB takes its time for the indexes, and the machine may be busy
KINDS = {"quiet": 40, "kill": 24, "slow": 8, "stop": 5, "cut": 3, "storm": 14, "bucket": 6}
_WATCH = 0.05  # seconds between two looks whether a process has died


class Instances:
    """Three servers with a relay to each of their stores; who dies is started again."""

    size = SIZE
    shared = True
    patience = 120.0  # who is cut off is struck from the list within 40 seconds
    purge_timeout = 4.0  # above the two seconds for which a look at the log is young
    pause = 0.1

    def __init__(self, place: Path, on: str, mutant: str) -> None:
        self._place, self._mutant = place, mutant
        self._mongo, _, self._s3 = on.partition("+")
        self._servers: list[Server] = []
        self.catalogs: list[Between] = []
        self.buckets: list[Between] = []
        self._starting = set(range(SIZE))
        self._watchers = Tasks()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        named = settings_of(self._mongo, self._s3)
        uri = str(named["mongo_connection_string"])
        for index in range(SIZE):
            self.catalogs.append(await self._stack.enter_async_context(Between(host_of(uri))))
            bucket = Between(str(named["minio_endpoint"]))
            self.buckets.append(await self._stack.enter_async_context(bucket))
            named["mongo_connection_string"] = uri.replace(host_of(uri), self.catalogs[-1].address)
            named["minio_endpoint"] = bucket.address
            self._servers.append(self._server(index, named))
            named["minio_endpoint"] = real.address(self._s3)
        await asyncio.gather(*(server.start() for server in self._servers))
        self._starting.clear()
        for index in range(SIZE):
            self._watchers.detach(self._watch(index), "watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._watchers.drain(0.0)
        for server in self._servers:
            await server.__aexit__()
        await self._stack.aclose()

    @property
    def pids(self) -> set[int]:
        """The processes of the instances that are alive."""
        return {each.process.pid for each in self._servers if each.process.poll() is None}

    def index_of(self, pid: int) -> int:
        """The instance that is this process."""
        return [server.process.pid for server in self._servers].index(pid)

    def choose(self, chance: random.Random) -> tuple[int, Client]:
        """Any of the instances."""
        index = chance.randrange(SIZE)
        return index, self._servers[index].client

    def confirmed(self, but: Sequence[str]) -> Iterable[int]:
        """All but the named, when every name is that of an instance as it runs now."""
        pids = [str(server.process.pid) for server in self._servers]
        named = {name.rpartition("/")[2] for name in but}
        return [i for i in range(SIZE) if pids[i] not in named] if named <= set(pids) else []

    async def mended(self) -> None:
        """Return when all three answer."""
        await eventually(lambda: len(self.pids) == SIZE and not self._starting, 3 * _BOOT)

    def let_pass(self) -> None:
        """Relay everything."""
        for relay in (*self.catalogs, *self.buckets):
            relay.let_pass()

    def _server(self, index: int, named: dict[str, object]) -> Server:
        server = Server(
            self._place / str(index),
            imaginary_service_url=real.address("imaginary"),
            processes=4,
            offline_grace=5,
            purge_timeout=self.purge_timeout,
            store_timeout=4,
            queue_limit=1000,
            remember_failures=0,
            **named,
            **SETTINGS,
        )
        server.module = "tests.faults.saboteur"
        server.environment = {"SABOTAGE": str(self._place), "MUTANT": self._mutant}
        server.boot = _BOOT
        return server

    async def _watch(self, index: int) -> None:
        server = self._servers[index]
        while True:
            await asyncio.sleep(_WATCH)
            if server.process.poll() is not None:
                self._starting.add(index)
                with contextlib.suppress(AssertionError):  # it may be killed while it starts
                    await server.start()
                    self._starting.discard(index)


class FleetTorture(Torture):
    """Kinds of rounds that only a network knows."""

    kinds = KINDS

    def __init__(self, place: Path, seed: int, tortured: Instances) -> None:
        super().__init__(place, seed, tortured)
        self._instances = tortured

    async def _cut(self) -> None:
        """One instance without its catalog, until its grace is over."""
        relay = self._random.choice(self._instances.catalogs)
        self._random.choice((relay.hang, relay.reset))()
        await asyncio.sleep(1.5)
        await self._through()

    async def _bucket(self) -> None:
        """Some instances without the bucket."""
        for relay in self._random.sample(self._instances.buckets, self._random.randint(1, SIZE)):
            self._random.choice((relay.hang, relay.reset, lambda it=relay: it.cut_after(100)))()
        await self._through()

    async def _storm(self) -> None:
        """All that a network does, in turns, at every relay."""
        storm = Tasks()
        for relay in (*self._instances.catalogs, *self._instances.buckets):
            storm.detach(self._blow(relay), "storm")
        try:
            await self._through()
        finally:
            await storm.drain(0.0)
            self._instances.let_pass()

    async def _through(self) -> None:
        try:
            await self._purge()
            await self._read_all(quiet=False)
        finally:
            self._instances.let_pass()

    async def _blow(self, relay: Between) -> None:
        chance = self._random
        gusts: list[Callable[[], object]] = [
            relay.reset_once,
            relay.reset,
            relay.hang,
            lambda: relay.delay(chance.choice((0.01, 0.05, 0.2))),
            lambda: relay.cut_after(chance.randrange(2_000)),
        ]
        while True:
            await asyncio.sleep(chance.random())
            chance.choice(gusts)()
            await asyncio.sleep(chance.random() * 0.5)
            relay.let_pass()
