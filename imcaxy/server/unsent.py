"""The rest of an answer that was written at once and that its client is slow to take."""

import asyncio
from collections.abc import Callable

from imcaxy.grammar.variant import CHUNK
from imcaxy.server.answers import cut
from imcaxy.server.exchange import Ending


class Unsent:
    """Cuts the connection of a client that does not take CHUNK bytes in each `timeout` seconds.

    `ended` is called once: "whole" when the kernel has taken everything, "client-left" or "cut",
    with the bytes that were never taken.
    """

    __slots__ = ("_ended", "_left", "_loop", "_timeout", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        timeout: float,
        ended: Callable[[Ending, int], None],
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._left = transport.get_write_buffer_size()
        self._timer = self._loop.call_later(timeout, self._look)

    def end(self, ending: Ending) -> None:
        """The answer has ended this way."""
        self._timer.cancel()
        self._ended(ending, 0 if ending == "whole" else self._left)

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        taken, self._left = self._left - left, left
        if taken >= min(CHUNK, taken + left):
            self._timer = self._loop.call_later(self._timeout, self._look)
        else:
            self.end("cut")
            cut(self._transport)
