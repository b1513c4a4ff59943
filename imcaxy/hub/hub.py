"""Which pictures are being made here, right now."""

from collections.abc import Collection

from imcaxy.errors import Overloaded
from imcaxy.hub.budget import Budget
from imcaxy.hub.stream import Stream


class Hub:
    """At most one stream per signature, bounded in bytes for each and for all.

    A stream is here from the moment that its job is accepted until its bytes are kept, or until it
    has failed. Readers that have it may go on for longer; its bytes count until they are done.
    """

    def __init__(self, limit: int, stream_limit: int) -> None:
        """`limit` bytes for all streams, `stream_limit` bytes for each."""
        self._budget = Budget(limit)
        self._stream_limit = stream_limit
        self._streams: dict[str, Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def bytes(self) -> int:
        """Bytes that all streams hold."""
        return self._budget.used

    def find(self, signature: str) -> Stream | None:
        """The stream of this variant, if it is being made."""
        return self._streams.get(signature)

    def open(self, signature: str, keys: tuple[str, ...] = ()) -> Stream:
        """A new stream for this variant; Overloaded when the bytes of all are used up.

        Called in the same step as a `find` that found nothing.
        """
        if self._budget.full:
            raise Overloaded("Too many pictures are being delivered at once.", retry_after=1.0)
        stream = self._streams[signature] = Stream(self._budget, self._stream_limit, keys)
        return stream

    def apply(self, number: int, keys: Collection[str]) -> None:
        """Detach streams of these keys whose bytes may be older than log record `number` (I1)."""
        hit = frozenset(keys)
        for signature, stream in list(self._streams.items()):
            as_of = stream.as_of
            if as_of is not None and as_of.number < number and not hit.isdisjoint(stream.keys):
                self.detach(signature, stream)

    def let_go(self) -> None:
        """Let nobody find any stream that has begun; those who wait for one get it.

        While the log cannot be read, each request that comes has streams forgotten that others, who
        came before, wait for.
        """
        self._streams.clear()

    def reset(self, number: int) -> None:
        """Detach every stream: what it is made from may have been invalidated unseen."""
        for signature, stream in list(self._streams.items()):
            self.detach(signature, stream)

    def detach(self, signature: str, stream: Stream) -> None:
        """Let nobody find the stream, and send those who wait for its head elsewhere."""
        if self._streams.get(signature) is stream:
            del self._streams[signature]
        stream.detach()

    def remove(self, signature: str, stream: Stream) -> None:
        """Let go of the stream: whoever comes now does not find it; its readers go on."""
        if self._streams.get(signature) is stream:
            del self._streams[signature]
        stream.retire()
