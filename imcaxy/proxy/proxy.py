"""One request's way: what is asked for, whether it is allowed, and where its bytes come from."""

import asyncio
import logging
from dataclasses import replace
from typing import Protocol

from imcaxy.errors import ImcaxyError, ProcessingError, StoreError, WaitExpired
from imcaxy.grammar.variant import Variant
from imcaxy.hub.stream import Detached, Stream
from imcaxy.jobs.job import Parts
from imcaxy.jobs.jobs import Jobs
from imcaxy.proxy.base import Asked, AtHand, CacheStatus, Plan, Served
from imcaxy.proxy.fallback import Fallback
from imcaxy.proxy.planning import ImagePlan, Planner, Rules
from imcaxy.store.kept import Kept

METHOD = CacheStatus(hit=False, fwd="method")  # a POST is never answered from the cache
_FOREIGN = "a plan of another proxy"

_log = logging.getLogger("imcaxy.proxy")


class Commits(Protocol):
    """Knows the commits whose invalidations were answered (design 6.13)."""

    async def answered(self, commit: str) -> bool:
        """Whether an invalidation with this commit was answered; no when in doubt."""
        ...

    def was_answered(self, commit: str) -> bool:
        """Whether `answered` has said yes to it before, which stays so."""
        ...


class ImageProxy:
    """Serves each request from memory, a running stream, the store, or a job, in this order."""

    def __init__(
        self,
        parts: Parts,
        jobs: Jobs,
        commits: Commits,
        fallback: Fallback | None,
        rules: Rules,
    ) -> None:
        """`jobs` works with `parts`."""
        self._log = parts.log
        self._hub = parts.hub
        self._store = parts.store
        self._jobs = jobs
        self._commits = commits
        self._fallback = fallback
        self._rules = rules
        self._keeps = parts.keeps
        self._planner = Planner(rules, parts.processor)

    def plan(self, asked: Asked) -> ImagePlan:
        """What the request means; raises RequestError and SourceError before any work."""
        plan = self._planner.plan(asked)
        # An <img> gets the source where a picture could not be made.
        return plan if self._fallback is None else replace(plan, error_vary=("Accept",))

    def recall(self, plan: Plan) -> AtHand | None:
        """The variant if it is at hand, to be sent in this very step."""
        if not isinstance(plan, ImagePlan):
            raise TypeError(_FOREIGN)
        version = plan.version
        if version is not None and not self._commits.was_answered(version):
            return None  # whether it will be immutable takes more than this step
        return self._store.at_hand(plan.signature) if self._log.is_current else None

    async def serve(self, plan: Plan) -> Served:
        """The variant, as soon as its head is known; raises ImcaxyError."""
        if not isinstance(plan, ImagePlan):
            raise TypeError(_FOREIGN)
        immutable = plan.version is not None and await self._commits.answered(plan.version)
        if not self._log.is_current:
            await self._log.catch_up()
        if (kept := self._store.recall(plan.signature)) is not None:
            return self._served(plan, kept, CacheStatus(hit=True, detail=kept.tier), immutable)
        try:
            async with asyncio.timeout(self._rules.request_timeout):
                return await self._found(plan, immutable)
        except TimeoutError:
            raise WaitExpired(retry_after=1.0) from None
        except ProcessingError as error:
            served = await self._instead(plan, error)
            if served is None:
                raise
            return served

    async def _found(self, plan: ImagePlan, immutable: bool) -> Served:
        while True:
            served = await self._looked_up(plan, immutable)
            served = served or await self._from_job(plan, immutable)
            if served is not None:
                return served

    async def _looked_up(self, plan: ImagePlan, immutable: bool) -> Served | None:
        if self._hub.find(plan.signature) is not None or plan.posted or not self._keeps:
            return None
        try:
            kept = await self._looked_up_unchanged(plan)
            kept = kept or await self._store.look_up(plan.signature)
        except StoreError as error:
            _log.warning("the store does not answer", extra={"reason": str(error)})
            return None
        if kept is None:
            return None
        return self._served(plan, kept, CacheStatus(hit=True, detail=kept.tier), immutable)

    async def _looked_up_unchanged(self, plan: ImagePlan) -> Kept | None:
        if plan.is_unchanged is None:
            return None
        return await self._store.look_up_unchanged(plan.signature, plan.is_unchanged)

    async def _from_job(self, plan: ImagePlan, immutable: bool) -> Served | None:
        """The stream of a job; None when an invalidation hit it before it had a head (I2)."""
        stream, joined = self._jobs.join(plan.request, plan.signature)
        try:
            await stream.started()
        except Detached:
            return None
        if stream.as_of is None or not self._log.allows(stream.keys, stream.as_of):
            self._hub.detach(plan.signature, stream)
            return None
        status = METHOD if plan.posted else _made(stream, joined=joined)
        return self._served(plan, stream, status, immutable)

    async def _instead(self, plan: ImagePlan, error: ImcaxyError) -> Served | None:
        if self._fallback is None or not plan.wants_image or plan.posted:
            return None
        variant = await self._fallback.source_of(plan.request, error)
        status = CacheStatus(hit=False, fwd="bypass", detail="fallback")
        vary = (*plan.vary, *plan.error_vary)
        return Served(variant=variant, status=status, vary=vary, fallback=True)

    def _served(
        self, plan: ImagePlan, variant: Variant, status: CacheStatus, immutable: bool
    ) -> Served:
        return Served(
            variant=variant,
            status=status,
            vary=plan.vary,
            immutable=immutable,
            short_lived=plan.version is not None and not immutable,
            posted=plan.posted,
        )


def _made(stream: Stream, *, joined: bool) -> CacheStatus:
    """How a request that found no entry was answered (RFC 9211 §2)."""
    if joined or stream.moved:
        return CacheStatus(hit=False, fwd="miss", collapsed=True)
    if stream.keeping:
        return CacheStatus(hit=False, fwd="miss", stored=True)
    return CacheStatus(hit=False, fwd="miss", detail="not-stored")
