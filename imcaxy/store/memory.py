"""The memory tier: kept variants that are answered without asking anybody."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable

from imcaxy.store.catalog.base import Entry

Body = bytes  # by another name: `bytes` is a property of the tier

_FRACTION = 4  # one entry takes at most this part of the tier, or it would empty it for itself
_NEW = 10  # the small queue is this part of the tier
_OFTEN = 3  # hits are counted up to this
_AGAIN = 1  # hits in the small queue that earn a place in the main one
# Bytes. Measured: tests/unit/store/test_memory_weight.py compares them with the system's figures.
_RECORD = 2048  # the objects around one entry, its slots in three dicts and its keys' index sets
_KEY = 128  # one key's place in an index set, and in the worst case a set of its own
_BLOCK = 128  # a held block's object and its slot in a dict
_GHOST = 192  # a remembered name: two numbers and a dict's slot


class Held:
    """A kept variant whose bytes are in memory; the digest was compared when they were read.

    `blocks` are bytes held ready beside the body (MemoryTier.hold_block); `uses` counts hits since
    somebody last set it to 0.
    """

    __slots__ = ("blocks", "body", "entry", "hits", "uses", "weight")

    def __init__(self, entry: Entry, body: Body) -> None:
        self.entry = entry
        self.body = body
        self.blocks: dict[str, bytes] | None = None
        self.hits = 0  # of late, at most _OFTEN
        self.uses = 0
        keys = sum(sys.getsizeof(key) + _KEY for key in entry.keys)
        texts = sys.getsizeof(body) + sys.getsizeof(entry.request)
        self.weight = texts + keys + _RECORD  # bytes of memory, blocks included


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
        self._newest = 0  # no entry has a higher as_of
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
        if held is not None:
            held.uses += 1
            if held.hits < _OFTEN:
                held.hits += 1
        return held

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
        self._newest = max(self._newest, entry.as_of.number)
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

    def hold_block(self, held: Held, name: str, block: Body) -> None:
        """Hold `block` ready beside the variant, in place of what had this name.

        Nothing happens when the variant is no longer held, or the block would make it too large.
        """
        if self._held.get(held.entry.signature) is not held:
            return
        blocks = held.blocks if held.blocks is not None else {}
        before = blocks.get(name)
        more = sys.getsizeof(block) + _BLOCK
        if before is not None:
            more -= sys.getsizeof(before) + _BLOCK
        if (held.weight + more) * _FRACTION > self._limit:
            return
        blocks[name] = block
        held.blocks = blocks
        held.weight += more
        self._bytes += more
        if held.entry.signature in self._small:
            self._small_bytes += more
        self._make_room()

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

    def drop_keys(self, keys: Iterable[str], below: int) -> int:
        """Forget variants that have one of these purge keys and `as_of` below; how many.

        Takes time in proportion to the variants under the keys.
        """
        dropped = 0
        for key in keys:
            signatures = self._by_key.get(key, ())
            if len(signatures) == len(self._held) and self._newest < below:
                dropped += len(signatures)
                self.clear()
                break
            for signature in tuple(signatures):
                if self._held[signature].entry.as_of.number < below:
                    self.drop(signature)
                    dropped += 1
        return dropped

    def clear(self) -> None:
        """Forget everything (a log that is not the one that was read)."""
        for each in (self._held, self._small, self._main, self._ghost, self._by_key):
            each.clear()
        self._bytes = self._small_bytes = self._ghost_weight = self._newest = 0

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
