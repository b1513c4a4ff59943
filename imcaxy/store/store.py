"""The store, as jobs and requests use it: memory tier, catalog and blobs together."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Literal, TypeVar

from imcaxy.clock import Clock
from imcaxy.errors import BlobCorrupt, BlobMissing, CatalogError, StoreError
from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.ageing import Ageing
from imcaxy.store.blobs.base import Blobs, OpenBlob
from imcaxy.store.breaker import PAUSE, Breaker
from imcaxy.store.catalog.base import Catalog, Claim, Entry, Seen
from imcaxy.store.kept import Kept, KeptInFile, KeptInStore, close
from imcaxy.store.memory import Held, MemoryTier
from imcaxy.store.opened import OpenBlobs, Opened
from imcaxy.store.room import DiskRoom, Writing
from imcaxy.tasks import Tasks

__all__ = ["PAUSE", "SMALL", "Kept", "Store"]

T = TypeVar("T")
_Found = tuple[int, Kept | StoreError | None]  # the epoch in which it was looked up, and what

_log = logging.getLogger("imcaxy.store")

# Bytes. Up to this a blob is read at once and verified before its first byte is sent, and may be
# held in memory; above it the wait for the whole would be seen, so it is verified as it goes.
SMALL = 4 * 1024 * 1024
_LOADS = 8  # blobs loaded at a time: with SMALL it bounds what loading takes to 32 MiB
_TRIES = 3  # entries of one signature that are tried in one look-up
_USE_STEP = 3600.0  # seconds; finer where the disk turns over faster (`note_uses_every`)
_USE_DELAY = 1.0  # seconds in which uses are gathered for one write
_USE_BATCH = 500  # uses in one write; more in one second are not noted


class Store:
    """What is kept. Raises StoreError when it cannot answer; the caller makes the picture itself.

    After a failure it is left alone for PAUSE seconds: calls raise at once instead of waiting
    `timeout` seconds each. It recovers by itself.
    """

    def __init__(  # noqa: PLR0913 - the parts of one store, named at the call
        self,
        catalog: Catalog,
        blobs: Blobs,
        memory: MemoryTier,
        clock: Clock,
        tasks: Tasks,
        timeout: float,
        *,
        room: DiskRoom | None = None,
        open_blobs: int = 256,
    ) -> None:
        """`open_blobs` is how many files may stay open."""
        self._catalog = catalog
        self._blobs = blobs
        self._memory = memory
        self._clock = clock
        self._tasks = tasks
        self._timeout = timeout
        self._breaker = Breaker(clock)
        self._opened = OpenBlobs(open_blobs, clock)
        self._loads: dict[str, asyncio.Task[_Found]] = {}
        self._loading = asyncio.Semaphore(_LOADS)
        self._applied = 0  # the highest log number that was applied here
        self._epoch = 0  # raised with every invalidation; equal before and after: none in between
        self._room = room or DiskRoom(1 << 62)
        self._uses: dict[str, int] = {}  # blob: uses to be written
        self._use_step = _USE_STEP
        self._ageing: Ageing | None = None

    def age_by(self, ageing: Ageing) -> None:
        """Judge from now on by age, too, what is handed out."""
        self._ageing = ageing

    @property
    def resting(self) -> bool:
        """Whether the store has just failed and is left alone."""
        return self._breaker.rests

    @property
    def failing(self) -> bool:
        """Whether the catalog or the blobs have failed lately."""
        return self._breaker.failing

    @staticmethod
    def new_blob_name() -> str:
        """A name that was never used and cannot be guessed; hex, as every file system takes."""
        return secrets.token_hex(16)

    def at_hand(self, signature: str) -> Held | Opened | None:
        """The variant if it is in memory, or in a file that is open: its bytes, at once."""
        held = self._memory.get(signature)
        if held is None:
            return self._reopened(signature)
        wall = self._clock.wall()
        if self._ageing is not None and self._ageing.is_over(held.entry, wall):
            self._memory.drop(signature)
            return None
        if wall - held.entry.used >= self._use_step:
            self._note_held(held)
        return held

    def holding(self, signature: str) -> Literal["memory", "open file"] | None:
        """Where it would be at hand, for who only looks: no hit counts."""
        if self._memory.holds(signature):
            return "memory"
        return "open file" if self._opened.holds(signature) else None

    def is_past(self, entry: Entry) -> bool:
        """Whether the entry is too old to be served again."""
        return self._ageing is not None and self._ageing.is_past(entry)

    def recall(self, signature: str) -> Kept | None:
        """The same, to be read."""
        found = self.at_hand(signature)
        if found is None:
            return None
        if isinstance(found, Opened):
            in_store = self._in_store(found.entry, found.blob)
            return KeptInFile(found.entry, found.blob, in_store)
        return Kept(found.entry, "memory", found.body)

    def _reopened(self, signature: str) -> Held | Opened | None:
        opened = self._opened.get(signature)
        if opened is None:
            return None
        entry, wall = opened.entry, self._clock.wall()
        if self._ageing is not None and self._ageing.is_over(entry, wall):
            self._opened.drop(signature)
            return None
        if wall - entry.used >= self._use_step and self._note_use(entry):
            opened.entry = entry = replace(entry, used=wall)
        # it may have become worth holding
        if opened.hits >= opened.offer_at and opened.length * 4 <= self._memory.limit:
            opened.offer_at *= 4
            body = opened.blob.read_now(0, opened.length)
            if body is not None and self._memory.put(entry, bytes(body)):
                return self._memory.get(signature) or opened
        return opened

    def _in_store(self, entry: Entry, held: OpenBlob | None = None) -> KeptInStore:
        return KeptInStore(entry, self._blobs, self._timeout, self._damaged, held)

    async def prune(self) -> None:
        """Let go of open files that were deleted; called from time to time."""
        await self._opened.prune()

    async def look_up(self, signature: str) -> Kept | None:
        """The live variant; None when there is none.

        Requests for one signature share one look-up, and look again when an `apply` came between
        its beginning and their turn (I2). A record without a blob, or with a damaged one, is
        forgotten, and is None before the first byte; after it `read` raises. Raises StoreError,
        after `timeout` seconds at the latest.
        """
        for _ in range(_TRIES):
            kept = self.recall(signature)
            if kept is not None:
                return kept
            load = self._loads.get(signature) or self._start_load(signature)
            try:
                epoch, found = await asyncio.shield(load)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if load.cancelled() and task is not None and not task.cancelling():
                    raise CatalogError("The store is being closed.") from None
                raise
            if isinstance(found, StoreError):
                raise found.again()
            if epoch == self._epoch:
                return found
        return None

    async def look_up_unchanged(
        self, signature: str, is_unchanged: Callable[[str], bool]
    ) -> Kept | None:
        """The live variant if the caller has it already, by its entity tag; no blob is read.

        None for any other, which `look_up` then finds. Raises StoreError.
        """
        self._breaker.refuse()
        epoch = self._epoch  # before I3 is judged
        with self._breaker.guard():
            entry = await self._in_time(self._catalog.find(signature))
        if entry is None or epoch != self._epoch or not is_unchanged(entry.head.etag):
            return None
        self._note_use(entry)
        return self._in_store(entry)

    async def keep(  # noqa: PLR0913 - the facts of one entry, named at the call
        self,
        *,
        blob: str,
        signature: str,
        keys: tuple[str, ...],
        as_of: LogPosition,
        head: Head,
        cost: float,
        chunks: AsyncIterator[bytes | memoryview],
        request: str = "",
        seen: tuple[Seen, ...] = (),
        ended: Claim | None = None,
    ) -> Kept:
        """Keep all chunks: the blob, then the entry (I4), then memory if it is small.

        `blob` is the name that the job's claim names, `cost` the seconds that making it took,
        `request` what an operator reads of it, `seen` its sources where they are to be asked for
        again, `ended` the claim with the outcome that is written with the entry. What `chunks`
        raises goes through and nothing is kept; waiting for a chunk has no deadline here.
        Raises StoreError; then the blob may be there, and the claim names it for the sweep.
        """
        if self.resting:
            self._breaker.refuse()
        copy = _Copy(min(SMALL, self._memory.limit))
        with self._breaker.watch(), self._room.writing() as writing:
            try:
                async with asyncio.timeout(None) as scope:
                    passed = self._pass(chunks, copy, scope, writing)
                    total = await self._blobs.put(blob, passed)
                    body = copy.whole
                    # While it cannot be evicted: slow readers of the stream are sent on to it.
                    held = await self._blobs.hold(blob, total) if body is None else None
            except TimeoutError as error:
                raise CatalogError("The blob store did not answer in time.") from error
            if total.length == 0 or head.length not in (None, total.length):
                raise BlobCorrupt("The picture is not as long as announced.", value=blob)
            entry = Entry(
                blob=blob,
                signature=signature,
                keys=keys,
                as_of=as_of,
                sum=total,
                head=replace(head, length=total.length),
                cost=cost,
                used=self._clock.wall(),
                request=request,
                seen=seen,
            )
            await self._in_time(self._catalog.insert_entry(entry, ended))
        if body is None:
            return self._in_store(entry, held)
        # I2, in one step with what it guards. Stricter than by key: any later record counts.
        if as_of.number >= self._applied:
            self._memory.put(entry, body)
        return Kept(entry, "memory", body)

    async def forget(self, entry: Entry) -> None:
        """Bury the entry's blob for the sweep and forget the entry."""
        held = self._memory.get(entry.signature)
        if held is not None and held.entry.blob == entry.blob:
            self._memory.drop(entry.signature)
        self._opened.drop(entry.signature)
        await self._in_time(self._catalog.delete_entry(entry.blob, self._clock.wall()))

    async def forget_damaged(self, entry: Entry, fault: str) -> None:
        """The same, told in the log."""
        facts = {"blob": entry.blob, "signature": entry.signature, "fault": fault}
        _log.warning("a kept picture is missing or damaged: forgotten", extra=facts)
        await self.forget(entry)

    def apply(self, number: int, keys: Iterable[str]) -> None:
        """Hold nothing older than log record `number` under these keys (I1), in one step."""
        keys = tuple(keys)
        self._memory.drop_keys(keys, number)
        self._opened.drop_keys(keys, number)
        self._applied = max(self._applied, number)
        self._epoch += 1

    def let_go(self) -> None:
        """Hold nothing: whether it is stale cannot be told any more (design 6.5)."""
        self._memory.clear()
        self._opened.clear()
        self._epoch += 1

    def reset(self, number: int) -> None:
        """Hold nothing: the log is not the one that was read, and stands at `number`."""
        self.let_go()
        self._applied = number

    def _start_load(self, signature: str) -> asyncio.Task[_Found]:
        self._breaker.refuse()
        load = self._tasks.start(self._load(signature), "look up")
        self._loads[signature] = load

        load.add_done_callback(lambda _: self._loads.pop(signature, None))
        return load

    async def _load(self, signature: str) -> _Found:
        epoch = self._epoch  # before I3 is judged
        try:
            with self._breaker.guard():
                return epoch, await self._in_time(self._find(signature))
        except StoreError as error:  # a value: it is raised in each request that waits
            return epoch, error

    async def _find(self, signature: str) -> Kept | None:
        async with self._loading:
            for _ in range(_TRIES):
                epoch = self._epoch
                entry = await self._catalog.find(signature)
                if entry is None:
                    return None
                if self._ageing is not None and self._ageing.is_over(entry):
                    await self.forget(entry)
                    continue
                try:
                    kept, opened = await self._open(entry)
                except (BlobMissing, BlobCorrupt) as error:
                    await self.forget_damaged(entry, error.kind)
                    continue
                if kept.body is not None and epoch == self._epoch:
                    self._memory.put(entry, kept.body)
                    if opened is not None:
                        self._opened.put(entry, opened)
                self._note_use(entry)
                return kept
        return None

    async def _open(self, entry: Entry) -> tuple[Kept, OpenBlob | None]:
        if entry.sum.length <= SMALL:
            body, opened = await self._blobs.load_open(entry.blob, entry.sum)
            return Kept(entry, self._blobs.tier, body), opened
        held = await self._blobs.hold(entry.blob, entry.sum)
        if held is None:
            first = self._blobs.read(entry.blob, entry.sum, 0, 1)
            try:
                await anext(first)
            finally:
                await close(first)
        return self._in_store(entry, held), None

    async def _pass(
        self,
        chunks: AsyncIterator[bytes | memoryview],
        copy: "_Copy",
        scope: asyncio.Timeout,
        writing: Writing,
    ) -> AsyncIterator[bytes | memoryview]:
        loop = asyncio.get_running_loop()
        while True:
            scope.reschedule(None)  # the job has its own deadline; only the store's is kept here
            chunk = await anext(chunks, None)
            scope.reschedule(loop.time() + self._timeout)
            if chunk is None:
                return
            writing.add(len(chunk))
            copy.add(chunk)
            yield chunk

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError as error:
            raise CatalogError("The store did not answer in time.") from error

    def _damaged(self, entry: Entry) -> None:
        self._tasks.detach(self._heal(entry), "heal")

    async def _heal(self, entry: Entry) -> None:
        try:
            await self.forget_damaged(entry, "damaged while it was read")
        except StoreError as error:
            _log.warning("an entry could not be forgotten", extra={"error": error.kind})

    def note_uses_every(self, seconds: float) -> None:
        """Have a variant's uses written once in this time at most."""
        self._use_step = min(seconds, _USE_STEP)

    def _note_held(self, held: Held) -> None:
        if self._note_use(held.entry, held.uses):
            held.entry = replace(held.entry, used=self._clock.wall())
            held.uses = 0

    def _note_use(self, entry: Entry, uses: int = 1) -> bool:
        """Have the uses written with those of the next second; False when they are too many."""
        if self._clock.wall() - entry.used < self._use_step or len(self._uses) >= _USE_BATCH:
            return False
        if not self._uses:
            self._tasks.detach(self._write_uses(), "note uses")
        self._uses[entry.blob] = self._uses.get(entry.blob, 0) + uses
        return True

    async def _write_uses(self) -> None:
        await self._clock.sleep(_USE_DELAY)
        uses, self._uses = self._uses, {}
        try:
            with self._breaker.guard():
                await self._in_time(self._catalog.touch_entries(uses, self._clock.wall()))
        except StoreError as error:  # a hint for eviction; it comes again in an hour
            _log.info("uses were not noted", extra={"error": error.kind})


class _Copy:
    """What went by, unless it was too much."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes: bytearray | None = bytearray()

    def add(self, chunk: bytes | memoryview) -> None:
        if self._bytes is None:
            return
        if len(self._bytes) + len(chunk) > self._limit:
            self._bytes = None
        else:
            self._bytes += chunk

    @property
    def whole(self) -> bytes | None:
        return None if self._bytes is None else bytes(self._bytes)
