"""The port to what this instance knows of the log of invalidations (design 6.4, 6.5)."""

from collections.abc import Sequence
from typing import Protocol

from imcaxy.grammar.variant import LogPosition


class Log(Protocol):
    """Says what may be handed out, and from where in the log a job begins.

    What is synchronous is judged in the same step as what it guards (rules I2 and I4).
    """

    @property
    def position(self) -> LogPosition:
        """The newest record that was applied here."""
        ...

    @property
    def is_current(self) -> bool:
        """Whether what is held here may be handed out without a look at the log."""
        ...

    def allows(self, keys: Sequence[str], as_of: LogPosition) -> bool:
        """Whether bytes of these purge keys and this age may be handed out."""
        ...

    async def catch_up(self) -> None:
        """Return, briefly, when what is still held here may be handed out."""
        ...

    async def look_anew(self) -> None:
        """Apply every record that anybody here has seen; briefly, and never raises."""
        ...
