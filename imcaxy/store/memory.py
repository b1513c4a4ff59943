"""The memory tier: kept variants that are answered without asking anybody."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from imcaxy.store.catalog.base import Entry

Body = bytes  # by another name: `bytes` is a property of the tier

_FRACTION = 4  # one entry takes at most this part of the tier, or it would empty it for itself
_RECORD = 2048  # bytes: the objects around one entry, two dicts' slots and its keys' index sets
_KEY = 128  # bytes: one key's place in an index set, and in the worst case a set of its own


@dataclass(frozen=True, slots=True)
class Held:
    """A kept variant whose bytes are in memory; the digest was compared when they were read."""

    entry: Entry
    body: Body = field(repr=False)

    @property
    def weight(self) -> int:
        """Bytes of memory that holding it takes, metadata included."""
        keys = sum(sys.getsizeof(key) + _KEY for key in self.entry.keys)
        return sys.getsizeof(self.body) + keys + _RECORD


class MemoryTier:
    """The most recently used variants, by signature, in at most `limit_bytes` bytes.

    Every call is one step: nothing else runs in between (rule I2 relies on it). `admits` is asked
    before an entry is taken in.
    """

    def __init__(self, limit_bytes: int, admits: Callable[[Entry], bool] | None = None) -> None:
        self._limit = limit_bytes
        self._admits = admits
        self._held: dict[str, Held] = {}  # in the order of use: the last was used last
        self._weights: dict[str, int] = {}
        self._by_key: dict[str, set[str]] = {}  # purge key: signatures
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        """Bytes held, metadata included."""
        return self._bytes

    @property
    def limit(self) -> int:
        """Bytes that may be held."""
        return self._limit

    def get(self, signature: str) -> Held | None:
        """The variant, now the most recently used one."""
        held = self._held.pop(signature, None)
        if held is not None:
            self._held[signature] = held
        return held

    def put(self, entry: Entry, body: Body) -> bool:
        """Hold the variant in place of what had its signature; whether it was taken in.

        Refused: larger than a quarter of the tier, not admitted, or older than the one held.
        """
        held = Held(entry, body)
        weight = held.weight
        if weight * _FRACTION > self._limit or (self._admits and not self._admits(entry)):
            return False
        before = self._held.get(entry.signature)
        if before is not None and before.entry.as_of.number > entry.as_of.number:
            return False
        self.drop(entry.signature)
        self._held[entry.signature] = held
        self._weights[entry.signature] = weight
        self._bytes += weight
        for key in entry.keys:
            self._by_key.setdefault(key, set()).add(entry.signature)
        while self._bytes > self._limit:
            self.drop(next(iter(self._held)))
        return True

    def renew(self, entry: Entry) -> None:
        """Note another `used` for the variant held under this blob's name."""
        held = self._held.get(entry.signature)
        if held is not None and held.entry.blob == entry.blob:
            self._held[entry.signature] = Held(entry, held.body)

    def drop(self, signature: str) -> None:
        """Forget the variant; one that is not held is no error."""
        held = self._held.pop(signature, None)
        if held is None:
            return
        self._bytes -= self._weights.pop(signature)
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
            for signature in tuple(self._by_key.get(key, ())):
                if self._held[signature].entry.as_of.number < below:
                    self.drop(signature)
                    dropped += 1
        return dropped

    def clear(self) -> None:
        """Forget everything (a log that is not the one that was read)."""
        self._held.clear()
        self._weights.clear()
        self._by_key.clear()
        self._bytes = 0
