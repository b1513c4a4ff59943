"""What a test makes a fake do instead of its work."""

import asyncio
from collections import Counter

from imcaxy.errors import ImcaxyError


class Faults:
    """Failures and hangs by operation name; no name means every operation."""

    def __init__(self, default: ImcaxyError) -> None:
        self.calls: Counter[str] = Counter()
        self._default = default
        self._failing: dict[str, ImcaxyError] = {}
        self._hanging: set[str] = set()
        self._healed = asyncio.Event()
        self._arrivals: dict[str, asyncio.Event] = {}

    def fail(self, *operations: str, error: ImcaxyError | None = None) -> None:
        """Make these operations raise until `heal`."""
        for name in operations or ("*",):
            self._failing[name] = error or self._default

    def hang(self, *operations: str) -> None:
        """Make these operations wait until `heal`, or until their caller gives up."""
        self._hanging |= set(operations or ("*",))

    def heal(self) -> None:
        """End every fault; what hangs goes on."""
        self._failing.clear()
        self._hanging.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    async def reached(self, operation: str, timeout: float = 5.0) -> None:
        """Return when a call of this operation hangs, or has hung."""
        arrival = self._arrivals.setdefault(operation, asyncio.Event())
        async with asyncio.timeout(timeout):
            await arrival.wait()

    async def meet(self, operation: str) -> None:
        """What each operation of a fake does first."""
        self.calls[operation] += 1
        if self._hanging & {operation, "*"}:
            healed = self._healed
            self._arrivals.setdefault(operation, asyncio.Event()).set()
            await healed.wait()
        else:
            await asyncio.sleep(0)  # another task may run here, as it may in every real adapter
        error = self._failing.get(operation) or self._failing.get("*")
        if error is not None:
            raise error.again()
