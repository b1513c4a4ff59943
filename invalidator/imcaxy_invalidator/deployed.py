"""Whether a site already publishes what was committed: its old files must be gone first."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imcaxy_invalidator.changes import Former, Kind
from imcaxy_invalidator.clock import Clock
from imcaxy_invalidator.errors import Unreachable
from imcaxy_invalidator.exchange import ask

AT_ONCE = 8  # requests to the site at a time
PAUSE, LONGEST_PAUSE = 1.0, 10.0  # seconds between two looks at all files that are still old
ANSWER = 30.0  # seconds for one wait for the network
_FRESH = {"Cache-Control": "no-cache", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Awaited:
    """One address, and how the site answers for it as long as nothing was deployed."""

    url: str
    kind: Kind
    former: Former | None


def still_old(it: Awaited) -> str | None:
    """Why the site does not have the new state yet, or None when it has.

    A modified file must be there with other bytes, an added one be there, a deleted one be gone
    or another. Where it is not known what was before, being there is enough.
    """
    try:
        answer = ask("GET", it.url, _FRESH, seconds=ANSWER, follow=True)
    except Unreachable as error:
        return str(error)
    if it.kind == "deleted" and answer.status in {404, 410}:
        return None
    if answer.status != 200:
        return f"answered {answer.status}"
    if it.former is not None and it.former.is_like(answer.body):
        return "still the old file"
    if it.kind == "deleted" and it.former is None:
        return "still there"
    return None


def wait_until_deployed(
    awaited: Iterable[Awaited],
    seconds: float,
    clock: Clock,
    look: Callable[[Awaited], str | None] = still_old,
) -> dict[str, str]:
    """Look at each address until the site has its new state, for so many seconds.

    What is left: addresses that are still old, and why. Each is looked at once at least.
    """
    left = list(awaited)
    end = clock.now() + seconds
    pause = PAUSE
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while True:
            reasons = dict(zip([it.url for it in left], threads.map(look, left), strict=True))
            left = [it for it in left if reasons[it.url] is not None]
            if not left or clock.now() >= end:
                return {url: reason for url, reason in reasons.items() if reason is not None}
            clock.sleep(min(pause, max(end - clock.now(), 0)))
            pause = min(pause * 1.5, LONGEST_PAUSE)
