"""How many requests were answered, and how: plain counts that only grow."""

from collections import Counter
from collections.abc import Iterator

import orjson

RESULTS = ("memory", "disk", "bucket", "stored", "collapsed", "not-stored", "fallback", "method")

_How = str | bytes | None  # Cache-Status, as text or as JSON


class Counters:
    """Counts each answer once, whichever road it took. Labels are made when somebody reads.

    `Cache-Status` has about ten values and statuses are few, so that what is held is bounded.
    """

    __slots__ = ("_answers", "sent")

    def __init__(self) -> None:
        self._answers: dict[tuple[int, _How], int] = {}
        self.sent = 0  # bytes of bodies

    def count(self, status: int, cache: _How, sent: int) -> None:
        """Count one answer; `sent` bytes of its body were taken. Cheap: every hit does it."""
        key = status, cache
        self._answers[key] = self._answers.get(key, 0) + 1
        self.sent += sent

    def answers(self) -> Iterator[tuple[str, str, int]]:
        """Class of the status (`2xx`; `none` without an answer), cache result, and how many."""
        found: Counter[tuple[str, str]] = Counter()
        for (status, cache), count in self._answers.items():
            found[_class(status), result(cache)] += count
        return ((*labels, count) for labels, count in sorted(found.items()))


def result(cache: _How) -> str:
    """One of RESULTS for a Cache-Status; `none` for an answer that has none, else `other`."""
    text = orjson.loads(cache) if isinstance(cache, bytes) else cache
    if text is None:
        return "none"
    words = text.replace(";", " ").replace("=", " ").split()
    return next((word for word in reversed(words) if word in RESULTS), "other")


def _class(status: int) -> str:
    return f"{status // 100}xx" if status else "none"
