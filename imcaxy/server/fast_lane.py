"""Answers to ordinary requests for pictures in memory, without a request object (design 6.9).

What is answered here is answered byte for byte as on the normal road, or not at all. The normal
road teaches it: each time that it gives a picture from memory, the answer's head is laid out here
for the next request with the same line and the same values of the fields that chose it.

Nothing here decides whether a picture may be served: `Proxy.recall` does, in the same step in which
the bytes are handed to the transport (design 6.4, rule I2, and 6.5).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import orjson

from imcaxy.clock import Clock
from imcaxy.proxy.base import Asked, AtHand, Plan, Proxy, Served
from imcaxy.server.access_log import redact
from imcaxy.server.answers import Answer
from imcaxy.server.conditionals import Conditions, names_tag
from imcaxy.server.exchange import chosen_id
from imcaxy.server.headers import shortest_lifetime
from imcaxy.server.plain_request import Fields, read_fields, request_line
from imcaxy.server.policy import HttpPolicy
from imcaxy.server.ready import Head, Ready, Reply
from imcaxy.store.blobs.base import OpenBlob

LARGEST = 256 * 1024  # bytes of a body that is written at once
_BLOCKS = 1024  # blocks of field lines that are remembered; each has at most _BLOCK bytes
_BLOCK = 2048
_REQUESTS = 2048  # whole requests that are remembered; each has at most _REQUEST bytes
_REQUEST = 1024
_TYPICAL = 5 * 1024  # bytes that one more target takes
_KINDS = 16  # answers that one target may have, for its values of `Accept`, `Origin`, …

Answering = Callable[[Served, Conditions, float, str | None], Answer]


@dataclass(slots=True)
class _Known:
    """What one kind of request for a target means, and its answers."""

    plan: Plan
    ready: dict[str, Ready] = field(default_factory=dict)  # by the tier that the picture is in
    met: bool = True  # asked for since somebody last looked; a new one gets its time, too

    @property
    def weight(self) -> int:
        return 512 + sum(ready.weight for ready in self.ready.values())


@dataclass(slots=True)
class _Target:
    """What is known of one request line."""

    by_accept: bool
    by_save_data: bool
    known: dict[Hashable, _Known] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        return 512 + sum(known.weight for known in self.known.values())

    def was_met(self) -> bool:
        """Whether anybody has asked for it since this was last asked."""
        met = any(known.met for known in self.known.values())
        for known in self.known.values():
            known.met = False
        return met

    def let_go(self) -> None:
        """Forget the answers, also where a whole request is remembered with them."""
        for known in self.known.values():
            known.ready.clear()
        self.known.clear()


class FastLane:
    """At most `limit` bytes of laid out heads; of those that nobody asked for again, the oldest go.

    Where all are asked for, some stay and newcomers are turned away: in a round of more targets
    than there is room for, none would ever be there in time.
    """

    def __init__(  # noqa: PLR0913 - what an answer is made of, named at the one call
        self,
        proxy: Proxy,
        clock: Clock,
        new_id: Callable[[], str],
        *,
        by_origin: bool,
        answering: Answering,
        policy: HttpPolicy,
        limit: int,
    ) -> None:
        """`answering` gives the normal road's answer; `by_origin` says that `Origin` changes it."""
        self._proxy = proxy
        self._clock = clock
        self._new_id = new_id
        self._by_origin = by_origin
        self._answering = answering
        self._policy = policy
        self._limit = limit
        self._weight = 0
        self.answered = 0  # requests
        self._targets: dict[bytes, _Target] = {}
        self._blocks: dict[bytes, Fields | None] = {}
        self._met: dict[bytes, tuple[_Known, Fields]] = {}

    @property
    def weight(self) -> int:
        """Bytes that the laid out heads take, about."""
        return self._weight

    def find(self, data: bytes) -> Reply | None:
        """The answer to `data` if it is one whole ordinary request for what is at hand."""
        met = self._met.get(data) or self._meet(data)
        if met is None:
            return None
        known, fields = met
        started = self._clock.now()
        plan = known.plan
        found = self._proxy.recall(plan)
        if found is None:
            return None
        ready = known.ready.get(found.tier)
        if ready is None or ready.name != found.name:
            self._met.pop(data, None)  # its target may have been let go and learned anew
            return None
        known.met = True
        wall = self._clock.wall()
        body: bytes | OpenBlob | None
        tags = fields.if_none_match
        if tags is not None and (tags == ready.etag or names_tag(tags, ready.etag)):
            status, head, end, body = 304, ready.unchanged_head(wall), ready.unchanged.end, b""
        else:
            status, head, end, body = 200, ready.whole_head(wall), ready.whole.end, found.body
            if (blob := found.blob) is not None:  # for the kernel to send
                body = blob if blob.is_ready(started) else None
        if body is None:  # the disk would have to be waited for
            return None
        self.answered += 1
        request_id = (fields.request_id or self._new_id()).encode()
        return b"".join((head, request_id, end)), body, ready, status, request_id, started

    def _meet(self, data: bytes) -> tuple[_Known, Fields] | None:
        """What these bytes ask for, if they are one whole ordinary request for what was met."""
        line, _, block = data.partition(b"\r\n")
        target = self._targets.get(line)
        if target is None:
            return None
        try:
            fields = self._blocks[block]
        except KeyError:
            fields = self._read(block)
        known = None if fields is None else target.known.get(self._kind(target, fields))
        if known is None or fields is None:
            return None
        if len(data) <= _REQUEST:  # browsers and wrk alike repeat themselves
            if len(self._met) >= _REQUESTS:
                self._met.clear()
            self._met[data] = known, fields
        return known, fields

    def learn(
        self, target_text: str, asked: Asked, plan: Plan, origin: str | None, served: Served
    ) -> None:
        """Lay out the answers to requests like this one, which the normal road has just met."""
        line = request_line(target_text)
        found = self._proxy.recall(plan)
        now = self._clock.wall()
        if line is None or found is None or found.length > LARGEST:
            return
        if found.tier != served.status.detail or served.variant.head.made_at > now:
            return
        if served.short_lived:  # it has been invalidated and answered since: the next one learns
            return
        fields = Fields(asked.accept, asked.save_data, origin, None, None)
        target = self._targets.get(line)
        known = None if target is None else target.known.get(self._kind(target, fields))
        ready = {} if known is None else known.ready
        if found.tier in ready and ready[found.tier].name == found.name:
            return
        if not ready and not self._has_room():
            return
        if target is None:
            target = _Target("Accept" in plan.vary, "Save-Data" in plan.vary)
            self._targets[line] = target
            self._weight += len(line) + target.weight
        self._weight -= target.weight
        if known is None:
            if len(target.known) >= _KINDS:
                target.let_go()
            known = target.known[self._kind(target, fields)] = _Known(plan)
        others = (one for one in known.ready.values() if one.name == found.name)
        laid_out = self._lay_out(asked, origin, served, found, now)
        known.ready = {one.tier: one for one in (*others, laid_out)}
        self._weight += target.weight
        while self._weight > self._limit:
            self._let_go(next(iter(self._targets)))

    def _has_room(self) -> bool:
        """Whether one more may be laid out; else the oldest has its next turn later."""
        if self._weight + _TYPICAL <= self._limit or not self._targets:
            return True
        oldest = next(iter(self._targets))
        target = self._targets[oldest]
        if not target.was_met():
            return True
        self._targets[oldest] = self._targets.pop(oldest)
        return False

    def _let_go(self, line: bytes) -> None:
        target = self._targets.pop(line)
        self._weight -= len(line) + target.weight
        target.let_go()

    def _lay_out(
        self, asked: Asked, origin: str | None, served: Served, found: AtHand, now: float
    ) -> Ready:
        etag = served.variant.head.etag
        whole = self._answering(served, Conditions(), now, origin)
        unchanged = self._answering(served, Conditions(if_none_match=etag), now, origin)
        return Ready(
            name=found.name,
            tier=found.tier,
            etag=etag,
            made_at=served.variant.head.made_at,
            seconds=shortest_lifetime(served, self._policy),
            whole=Head.lay_out("200 OK", whole.fields, found.length),
            unchanged=Head.lay_out("304 Not Modified", unchanged.fields, None),
            length=found.length,
            log_target=_json(redact(f"/imaginary/{asked.operation}", asked.query)),
            log_cache=_json(served.status.render()),
        )

    def _kind(self, target: _Target, fields: Fields) -> Hashable:
        """The values that choose among the answers of the target."""
        return (
            fields.accept if target.by_accept else None,
            target.by_save_data and fields.save_data,
            fields.origin if self._by_origin else None,
        )

    def _read(self, block: bytes) -> Fields | None:
        fields = read_fields(block)
        if fields is not None:
            fields = replace(fields, request_id=chosen_id(fields.request_id))
        if len(block) <= _BLOCK:
            if len(self._blocks) >= _BLOCKS:
                self._blocks.clear()
            self._blocks[block] = fields
        return fields


def _json(text: str) -> bytes:
    """In bytes of their own size: orjson's take 4 KiB each for as long as they live."""
    return b"%b" % orjson.dumps(text)
