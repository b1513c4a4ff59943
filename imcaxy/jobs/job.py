"""One job's way: claim, originals, processor, stream, blob, entry."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError, InternalError, InvalidatedMeanwhile, StoreError, WaitExpired
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.rebuild import to_route
from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.hub.hub import Hub
from imcaxy.hub.stream import Stream
from imcaxy.jobs import outcome as outcomes
from imcaxy.jobs.claims import Claims, Wanted
from imcaxy.jobs.failures import Failures
from imcaxy.jobs.log import Log
from imcaxy.jobs.slots import Abandoned, Slots
from imcaxy.processors.base import Picture, Processor
from imcaxy.sources.base import Original
from imcaxy.sources.downloads import Downloads
from imcaxy.store.catalog.base import Claim, Seen
from imcaxy.store.kept import Kept
from imcaxy.store.store import Store
from imcaxy.tasks import Tasks

MOVE_AFTER = 5.0  # seconds that a finished stream is left to its readers when only the disk has it
COMMIT_TIMEOUT = 30.0  # seconds that keeping a finished picture may take; no client waits for it

_log = logging.getLogger("imcaxy.jobs")


@dataclass(frozen=True, slots=True)
class Parts:
    """What jobs work with."""

    hub: Hub
    store: Store
    claims: Claims
    downloads: Downloads
    processor: Processor
    slots: Slots
    failures: Failures
    log: Log
    clock: Clock
    tasks: Tasks
    revalidates: bool  # whether origins are asked later if their sources have changed
    claim_timeout: float  # seconds that a job waits for another instance's
    keeps: bool = True  # false: every picture is made anew


class Job:
    """The making of one variant, into one stream."""

    def __init__(
        self,
        parts: Parts,
        stream: Stream,
        request: ImageRequest,
        signature: str,
    ) -> None:
        self._parts = parts
        self._stream = stream
        self._request = request
        self._signature = signature
        self._as_of = parts.log.position  # as read before the first request to any source (I4)

    async def run(self) -> None:
        """Find the variant kept, or make it; raises what went wrong before or while it was made."""
        keeps = self._parts.keeps and self._request.source.kind != "body"
        claim = await self._claim() if keeps else None
        if isinstance(claim, Kept):
            self._stream.move(claim, claim.entry.as_of)
        elif claim is None:
            self._begin()
            await self._make(None)
        else:
            await self._own(claim)

    async def _claim(self) -> Claim | Kept | None:
        """None when the store cannot answer: the picture is made, and not kept."""
        wanted = Wanted(
            signature=self._signature,
            keys=self._stream.keys,
            applied=self._parts.log.position,
            begin=self._begin,
            position=self._position,
            blob=self._parts.store.new_blob_name(),
            look_up=lambda: self._parts.store.look_up(self._signature),
            abandoned=lambda: self._stream.abandoned,
            outdated=lambda: self._stream.detached,
        )
        try:
            async with asyncio.timeout(self._parts.claim_timeout):
                return await self._parts.claims.take(wanted)
        except StoreError as error:
            _log.warning("the picture will not be kept", extra={"reason": str(error)})
            return None
        except TimeoutError:
            raise WaitExpired from None

    async def _position(self) -> LogPosition:
        """From where in the log the job begins: past every record that anybody here has seen."""
        await self._parts.log.look_anew()
        return self._begin()

    def _begin(self) -> LogPosition:
        """Read `as_of`, and let invalidations find the stream from now on (I4), in one step."""
        self._as_of = self._stream.as_of = self._parts.log.position
        return self._as_of

    async def _own(self, claim: Claim) -> None:
        outcome: outcomes.Outcome | None = outcomes.DROPPED
        try:
            async with self._parts.claims.held(claim):
                if await self._make(claim):
                    outcome = None  # written with the entry
        except Abandoned:
            raise
        except ImcaxyError as error:
            lifetime = self._parts.failures.lifetime(error)
            # A copy: the error's traceback would hold on to this frame and the stream's bytes.
            outcome = outcomes.failed(error.again(), self._parts.clock.now() + lifetime)
            raise
        finally:
            if outcome is not None:
                await self._parts.claims.end(claim, outcome)

    async def _make(self, claim: Claim | None) -> bool:
        """Stream the picture; whether it was kept."""
        parts = self._parts
        begun = parts.clock.now()
        keeping: asyncio.Task[Kept | None] | None = None
        async with AsyncExitStack() as held:
            originals = [
                await held.enter_async_context(parts.downloads.hold(source, self._as_of))
                for source in self._request.sources
                if not parts.processor.fetches(self._request, source)
            ]
            async with (
                parts.slots.take(
                    lambda: self._stream.abandoned or self._stream.detached,
                    parts.processor.cost(self._request, originals),
                ) as burst,
                parts.processor.make(self._request, originals, burst) as picture,
            ):
                head = self._head(claim, originals, picture)
                as_of = self._read_as_of(originals)
                self._stream.begin(head, as_of, keeping=claim is not None)
                if claim is not None:
                    cost = parts.clock.now() - begun
                    keep = self._keep(claim, head, as_of, cost, self._seen(originals))
                    keeping = parts.tasks.start(keep, f"keep {self._signature[:8]}")
                await self._pour(picture)
        return await self._settle(keeping)

    async def _pour(self, picture: Picture) -> None:
        try:
            async for chunk in picture.chunks:
                self._stream.append(chunk)
            self._stream.finish()
        except ImcaxyError as error:
            self._stream.fail(error)
            raise
        except BaseException:
            self._stream.fail(InternalError())
            raise

    async def _keep(
        self,
        claim: Claim,
        head: Head,
        as_of: LogPosition,
        cost: float,
        seen: tuple[Seen, ...],
    ) -> Kept | None:
        """Blob, then entry, as one more reader of the stream; None when it could not be kept."""
        async with aclosing(self._unless_detached()) as chunks:
            try:
                return await self._parts.store.keep(
                    blob=claim.blob,
                    signature=self._signature,
                    keys=self._stream.keys,
                    as_of=as_of,
                    head=head,
                    cost=cost,
                    request=to_route(self._request),
                    seen=seen,
                    ended=replace(claim, outcome=outcomes.KEPT.render(self._parts.clock.wall())),
                    chunks=chunks,
                )
            except StoreError as error:
                _log.warning("a picture was not kept", extra={"reason": str(error)})
            except ImcaxyError as error:
                # The picture itself failed; whoever makes it reports that.
                _log.debug("nothing to keep", extra={"reason": str(error)})
        return None

    async def _unless_detached(self) -> AsyncGenerator[bytes | memoryview, None]:
        """The stream's bytes; raises when an invalidation hits it: an entry would be inert."""
        async with aclosing(self._stream.read()) as chunks:
            async for chunk in chunks:
                if self._stream.detached:
                    raise InvalidatedMeanwhile
                yield chunk

    async def _settle(self, keeping: asyncio.Task[Kept | None] | None) -> bool:
        """Wait for the store, not for long; then readers go on from there."""
        if keeping is None:
            return False
        try:
            kept = await asyncio.wait_for(keeping, COMMIT_TIMEOUT)
        except TimeoutError:
            _log.warning("a picture was not kept", extra={"reason": "the store took too long"})
            return False
        if kept is None:
            return False
        if kept.body is not None:
            self._stream.move(kept, kept.entry.as_of)
        else:
            self._parts.tasks.detach(self._move_later(kept), f"move {self._signature[:8]}")
        return True

    async def _move_later(self, kept: Kept) -> None:
        """Leave the bytes to readers that keep up; free them when only slow ones are left."""
        await self._parts.clock.sleep(MOVE_AFTER)
        self._stream.move(kept, kept.entry.as_of)

    def _read_as_of(self, originals: Sequence[Original]) -> LogPosition:
        """As new as the oldest original, or as this job where the processor reads some itself."""
        if self._all_read(originals):
            return min(original.as_of for original in originals)
        return self._as_of

    def _seen(self, originals: Sequence[Original]) -> tuple[Seen, ...]:
        """What origins can be asked about later; nothing when nobody will ask."""
        if not self._parts.revalidates:
            return ()
        return tuple(
            Seen(original.source.value, *original.validators, original.digest)
            for original in originals
            if original.source.kind == "url"
        )

    def _all_read(self, originals: Sequence[Original]) -> bool:
        return len(originals) == len(self._request.sources)

    def _head(self, claim: Claim | None, originals: Sequence[Original], picture: Picture) -> Head:
        if self._all_read(originals):
            etag = entity_tag(self._signature, originals, picture.version)
        else:  # nobody here has seen what it is made from: a name that is used once (design 6.8)
            etag = f'"{self._parts.store.new_blob_name() if claim is None else claim.blob}"'
        return Head(
            media_type=picture.media_type,
            length=picture.length,
            etag=etag,
            made_at=self._parts.clock.wall(),
        )


def entity_tag(signature: str, originals: Sequence[Original], version: str) -> str:
    """A strong ETag that is known before the first byte (design 6.8).

    The same request, source bytes and processor give the same tag again after a purge or a restart.
    """
    digest = hashlib.sha256()
    for part in (signature, version, *(original.digest for original in originals)):
        digest.update(len(part).to_bytes(8, "big") + part.encode())
    return f'"{digest.hexdigest()[:32]}"'
