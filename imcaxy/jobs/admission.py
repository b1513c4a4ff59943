"""Which waiting job begins next. Pure.

First come, first served, with two exceptions. A job that needs more memory than is free is
overtaken by those that fit, MOST_OVERTAKEN times at most; then all wait until it fits. And the last
free place is not given to a long job while short ones keep coming, so that they never wait behind
long ones only; who stands behind a long job that waits for this takes nothing from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from imcaxy.processors.base import Cost

LONG = 0.05  # seconds of processor time from which a job is a long one
MOST_OVERTAKEN = 32  # jobs that may pass one that waits for memory


@dataclass(eq=False)
class Applicant:
    """A job that wants to begin."""

    cost: Cost
    overtaken: int = 0  # times, for want of memory

    @property
    def long(self) -> bool:
        """Whether short jobs should not have to wait for it."""
        return self.cost.seconds > LONG


@dataclass(frozen=True, slots=True)
class Room:
    """What is free."""

    places: int
    memory: int  # bytes
    reserved: bool  # the last place is for short jobs


_Some = TypeVar("_Some", bound=Applicant)


def choose(queue: Iterable[_Some], room: Room) -> _Some | None:
    """The applicant who begins now, of those who came in that order; it is not removed.

    Everybody whom it overtakes for want of memory is told so.
    """
    passed: list[_Some] = []
    if not room.places:
        return None
    for applicant in queue:
        if applicant.long and room.places == 1 and room.reserved:
            continue
        if applicant.cost.memory <= room.memory:
            for other in passed:
                other.overtaken += 1
            return applicant
        if applicant.overtaken >= MOST_OVERTAKEN:
            return None
        passed.append(applicant)
    return None
