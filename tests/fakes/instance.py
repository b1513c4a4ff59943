"""One instance with everything real but the engine, the origin, the two stores and the clock."""

import gc
from collections.abc import AsyncIterator

from imcaxy.errors import ImcaxyError
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LOG_START
from imcaxy.hub.hub import Hub
from imcaxy.hub.stream import Stream
from imcaxy.invalidation.follower import Follower
from imcaxy.invalidation.ledger import Ledger
from imcaxy.jobs.claims import Claims
from imcaxy.jobs.failures import Failures
from imcaxy.jobs.job import Parts
from imcaxy.jobs.jobs import Jobs
from imcaxy.jobs.slots import Slots
from imcaxy.sources.downloads import DownloadLimits, Downloads
from imcaxy.store.catalog.base import Instance as Row
from imcaxy.store.memory import MemoryTier
from imcaxy.store.store import Store
from imcaxy.tasks import Tasks
from tests.fakes.blobs import FakeBlobs
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle
from tests.fakes.processor import Delivery, FakeProcessor
from tests.fakes.sources import HeldReader

PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


class Instance:
    """`rows` and `blobs` may be shared by several, as a catalog and a store are."""

    def __init__(
        self, rows: Rows | None = None, name: str = "me", blobs: FakeBlobs | None = None
    ) -> None:
        self.clock, self.tasks = FakeClock(), Tasks()
        self.catalog, self.blobs = FakeCatalog(rows), blobs or FakeBlobs()
        self.memory = MemoryTier(20_000_000)
        self.store = Store(
            self.catalog, self.blobs, self.memory, self.clock, self.tasks, timeout=5.0
        )
        self.hub = Hub(20_000_000, 10_000_000)
        self.processor = FakeProcessor()
        self.reader = HeldReader(lambda _source: PIXEL)
        self.reader.go.set()
        limits = DownloadLimits(10_000, 10, 10_000_000, 8, wait=5.0)
        self.downloads = Downloads(
            {"url": self.reader}, limits, self.tasks, lambda source: purge_keys([source])
        )
        self.failures = Failures(self.clock, jitter=lambda: 0.5)
        self.slots = Slots(2, 60.0, self.clock)
        self.ledger = Ledger(self.store, self.hub, self.downloads, self.failures)
        row = Row(name, name, LOG_START, 0.0)
        self.follower = Follower(
            self.catalog, self.ledger, row, self.clock, self.tasks, grace=300.0
        )
        self.follower._read_at = self.clock.now()  # as after its start
        self.follower._reckon()
        self.parts = Parts(
            hub=self.hub,
            store=self.store,
            claims=Claims(self.catalog, name, self.clock, self.tasks, jitter=lambda: 0.5),
            downloads=self.downloads,
            processor=self.processor,
            slots=self.slots,
            failures=self.failures,
            log=self.follower,
            clock=self.clock,
            tasks=self.tasks,
            revalidates=True,
            claim_timeout=5.0,
        )
        self.jobs = Jobs(self.parts, 8, self.tasks)

    def join(self, name: str = "a") -> tuple[Stream, bool]:
        request = ImageRequest("resize", (), Source("url", f"http://host/{name}.png"))
        return self.jobs.join(request, f"signature-{name}")

    async def making(self, name: str = "a") -> tuple[Stream, Delivery]:
        """A stream whose processor has been asked."""
        number = len(self.processor.deliveries)
        stream, _ = self.join(name)
        self.wait(stream)
        return stream, await self.processor.delivery(number)

    def wait(self, stream: Stream) -> None:
        """Somebody waits for it."""
        self.tasks.detach(_quietly(stream), "waiter")

    async def idle(self) -> None:
        """Return when nothing runs any more."""
        for _ in range(100):
            await settle()
            if not len(self.jobs):
                break
        await settle()

    def assert_nothing_is_left(self) -> None:
        gc.collect()  # exceptions that pytest still holds refer to frames, and these to streams
        assert len(self.hub) == len(self.jobs) == len(self.tasks) == 0
        assert self.hub.bytes == 0
        assert self.downloads.bytes_held == 0
        assert self.slots.busy == self.slots.waiting == 0


async def _quietly(stream: Stream) -> None:
    try:
        await stream.started()
    except ImcaxyError:
        return


async def collect(pieces: AsyncIterator[bytes | memoryview]) -> bytes:
    return b"".join([bytes(piece) async for piece in pieces])
