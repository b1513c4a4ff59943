"""The memory tier: kept variants that are answered without asking anybody."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable

from imcaxy.store.catalog.base import Entry

Body = bytes  # by another name: `bytes` is a property of the tier

_FRACTION = 4  # one entry takes at most this part of the tier, or it would empty it for itself
_NEW = 10  # the small queue is this part of the tier
_OFTEN = 3  # hits are counted up to this
_AT_ONCE = 256  # variants under one key that are dropped in one step: about a millisecond
_STEP = 32  # variants that later calls drop in one step
_AGAIN = 1  # hits in the small queue that earn a place in the main one
# Bytes. Measured: tests/unit/store/test_memory_weight.py compares them with the system's figures.
_RECORD = 2048  # the objects around one entry, its slots in three dicts and its keys' index sets
_KEY = 128  # one key's place in an index set, and in the worst case a set of its own
_GHOST = 192  # a remembered name: two numbers and a dict's slot


class Held:
    """A kept variant whose bytes are in memory; the digest was compared when they were read.

    `uses` counts hits since somebody last set it to 0.
    """

    __slots__ = ("body", "entry", "hits", "name", "seen", "uses", "weight")

    tier = "memory"
    blob = None  # it needs no file

    def __init__(self, entry: Entry, body: Body) -> None:
        self.entry = entry
        self.name = entry.blob  # of this copy
        self.body = body
        self.hits = 0  # of late, at most _OFTEN
        self.seen = -1  # the tier's count of purges when this was last judged
        self.uses = 0
        keys = sum(sys.getsizeof(key) + _KEY for key in entry.keys)
        texts = sys.getsizeof(body) + sys.getsizeof(entry.request)
        self.weight = texts + keys + _RECORD  # bytes of memory

    @property
    def length(self) -> int:
        """Bytes of the picture."""
        return len(self.body)


class MemoryTier:
    """The variants most worth holding, by signature, in at most `limit_bytes` bytes.

    S3-FIFO weighed in bytes: what is new waits in a small queue, and comes to the main one only
    when it is asked for there, or was remembered by its name after it had left. So a crawl of
    pictures that are asked for once passes through a tenth of the tier. A hit moves nothing.

    Every call is one step: nothing else runs in between (rule I2 relies on it). `admits` is asked
    before an entry is taken in.
    """

    def __init__(self, limit_bytes: int, admits: Callable[[Entry], bool] | None = None) -> None:
        self._limit = limit_bytes
        self._admits = admits
        self._held: dict[str, Held] = {}
        self._small: OrderedDict[str, Held] = OrderedDict()
        self._main: OrderedDict[str, Held] = OrderedDict()
        self._ghost: OrderedDict[int, int] = OrderedDict()  # hash of a signature: its weight
        self._by_key: dict[str, set[str]] = {}  # purge key: signatures
        # Purges of keys with many variants, which are removed a few at a time: until then `_purged`
        # hides them. `_purges` counts, so that a hit looks again after each, once.
        self._at_once = _AT_ONCE
        self._going: list[tuple[str, set[str]]] = []
        self._purged: dict[str, int] = {}  # purge key: what is older must not be given
        self._purges = 0
        self._bytes = 0
        self._small_bytes = 0
        self._ghost_weight = 0  # bytes that the remembered ones took when they were held

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        """Bytes held, metadata and remembered names included."""
        return self._bytes

    @property
    def limit(self) -> int:
        """Bytes that may be held."""
        return self._limit

    def get(self, signature: str) -> Held | None:
        """The variant; the hit counts."""
        held = self._held.get(signature)
        if held is None or (held.seen != self._purges and not self._survives(held)):
            return None
        held.uses += 1
        if held.hits < _OFTEN:
            held.hits += 1
        return held

    def holds(self, signature: str) -> bool:
        """Whether `get` would give it now; no hit counts."""
        held = self._held.get(signature)
        return held is not None and (held.seen == self._purges or self._survives(held))

    def put(self, entry: Entry, body: Body) -> bool:
        """Hold the variant in place of what had its signature; whether it is held now.

        Refused: larger than a quarter of the tier, not admitted, or older than the one held.
        """
        held = Held(entry, body)
        if held.weight * _FRACTION > self._limit or (self._admits and not self._admits(entry)):
            return False
        before = self._held.get(entry.signature)
        if before is not None and before.entry.as_of.number > entry.as_of.number:
            return False
        if before is not None and _same(before.entry, entry):
            return True
        known = self._forget_ghost(entry.signature) or entry.signature in self._main
        self.drop(entry.signature)
        if self._going:
            self._go_on()
        self._held[entry.signature] = held
        self._bytes += held.weight
        if known:
            self._main[entry.signature] = held
        else:
            self._small[entry.signature] = held
            self._small_bytes += held.weight
        for key in entry.keys:
            self._by_key.setdefault(key, set()).add(entry.signature)
        self._make_room()
        return entry.signature in self._held

    def drop(self, signature: str) -> None:
        """Forget the variant; one that is not held is no error."""
        held = self._held.pop(signature, None)
        if held is None:
            return
        self._bytes -= held.weight
        if self._small.pop(signature, None) is not None:
            self._small_bytes -= held.weight
        else:
            del self._main[signature]
        for key in held.entry.keys:
            signatures = self._by_key.get(key)
            if signatures is not None:
                signatures.discard(signature)
                if not signatures:
                    del self._by_key[key]

    def drop_keys(self, keys: Iterable[str], below: int) -> None:
        """Forget variants that have one of these purge keys and `as_of` below, in one short step.

        Of a key with many variants they are no longer given from now on, and removed a few at a
        time by later calls.
        """
        for key in keys:
            signatures = self._by_key.get(key, ())
            many = len(signatures) > self._at_once
            if many or key in self._purged:
                self._purged[key] = max(below, self._purged.get(key, 0))
                self._purges += 1
            if many:
                self._going.append((key, self._by_key.pop(key)))
                continue
            for signature in tuple(signatures):
                if self._held[signature].entry.as_of.number < below:
                    self.drop(signature)

    def clear(self) -> None:
        """Forget everything (a log that is not the one that was read)."""
        for each in (self._held, self._small, self._main, self._ghost, self._by_key, self._purged):
            each.clear()
        self._going.clear()
        self._bytes = self._small_bytes = self._ghost_weight = 0

    def _survives(self, held: Held) -> bool:
        """Whether no purge that is still going on has hit the variant; else it is dropped."""
        as_of = held.entry.as_of.number
        survives = all(self._purged.get(key, 0) <= as_of for key in held.entry.keys)
        if survives:
            held.seen = self._purges
        else:
            self.drop(held.entry.signature)
        self._go_on()
        return survives

    def _go_on(self) -> None:
        """Remove some of what was purged; what is new enough goes back under its key."""
        for _ in range(_STEP):
            if not self._going:
                self._purged.clear()
                return
            key, signatures = self._going[-1]
            if not signatures:
                self._going.pop()
                continue
            held = self._held.get(signatures.pop())
            if held is None or key not in held.entry.keys:
                continue
            if held.entry.as_of.number < self._purged[key]:
                self.drop(held.entry.signature)
            else:
                self._by_key.setdefault(key, set()).add(held.entry.signature)

    def _make_room(self) -> None:
        while self._bytes > self._limit:
            if self._small and (self._small_bytes * _NEW > self._limit or not self._main):
                self._leave_small()
            elif self._main:
                self._leave_main()
            else:
                self._forget_oldest_ghost()

    def _leave_small(self) -> None:
        signature, held = next(iter(self._small.items()))
        if held.hits >= _AGAIN:
            del self._small[signature]
            self._small_bytes -= held.weight
            held.hits = 0
            self._main[signature] = held
            return
        self.drop(signature)
        self._remember(signature, held.weight)

    def _leave_main(self) -> None:
        signature, held = next(iter(self._main.items()))
        if held.hits > 0:
            held.hits -= 1
            self._main.move_to_end(signature)
        else:
            self.drop(signature)

    def _remember(self, signature: str, weight: int) -> None:
        """Names of as many bytes as the tier holds, so that what comes back soon is recognised."""
        self._ghost[hash(signature)] = weight
        self._ghost_weight += weight
        self._bytes += _GHOST
        while self._ghost_weight > self._limit:
            self._forget_oldest_ghost()

    def _forget_oldest_ghost(self) -> None:
        _, weight = self._ghost.popitem(last=False)
        self._ghost_weight -= weight
        self._bytes -= _GHOST

    def _forget_ghost(self, signature: str) -> bool:
        weight = self._ghost.pop(hash(signature), None)
        if weight is None:
            return False
        self._ghost_weight -= weight
        self._bytes -= _GHOST
        return True


def _same(one: Entry, other: Entry) -> bool:
    return one.blob == other.blob and one.as_of == other.as_of
