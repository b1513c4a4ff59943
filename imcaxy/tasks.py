"""Tasks that belong to the server, never to a request."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger("imcaxy.tasks")


class Tasks:
    """Runs coroutines to their end whoever asked for them, and reports the ones that fail.

    Keeps a reference to each running task (the event loop itself keeps none).
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run the coroutine now; its failure is logged unless it was cancelled."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def detach(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run the coroutine now; nobody waits for it."""
        _ = self.start(coroutine, name)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a server task failed", extra={"task": task.get_name()}, exc_info=error)

    async def drain(self, timeout: float) -> None:
        """Give running tasks `timeout` seconds to end, then cancel the rest and wait for them."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=5)
