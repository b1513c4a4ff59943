"""Which waiting job begins next. Pure.

First come, first served, with exceptions. A job that needs more memory than is free is overtaken by
those that fit, MOST_OVERTAKEN times at most; then nobody takes memory from it any more. Short jobs
have a little memory of their own, and the last free place while they keep coming: they never wait
behind long ones only, and who stands before them loses nothing by it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self, TypeVar

from imcaxy.processors.base import Cost

LONG = 0.05  # seconds of processor time from which a job is a long one
SPARE = 8  # short jobs have one of so many parts of all memory beside it
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
    memory: int  # bytes for everybody
    spare: int = 0  # bytes for short jobs beside that
    reserved: bool = False  # the last place is for short jobs

    @classmethod
    def beside(cls, running: Collection[Cost], places: int, memory: int, *, reserved: bool) -> Self:
        """What those that run leave of all places and bytes; an eighth more is for short jobs."""
        spare = memory // SPARE
        short = sum(cost.memory for cost in running if cost.seconds <= LONG)
        long = sum(cost.memory for cost in running if cost.seconds > LONG)
        free = memory - long - max(short - spare, 0)
        return cls(places - len(running), free, max(spare - short, 0), reserved)

    def taken_by(self, applicant: Applicant) -> int:
        """Bytes of what is for everybody that it would take."""
        spare = 0 if applicant.long else self.spare
        return max(applicant.cost.memory - spare, 0)


_Some = TypeVar("_Some", bound=Applicant)


def choose(queue: Iterable[_Some], room: Room) -> _Some | None:
    """The applicant who begins now, of those who came in that order; it is not removed.

    Everybody from whom it takes memory before their turn is told so.
    """
    if not room.places:
        return None
    passed: list[_Some] = []
    for applicant in queue:
        if applicant.long and room.places == 1 and room.reserved:
            continue
        taken = room.taken_by(applicant)
        patient = all(other.overtaken < MOST_OVERTAKEN for other in passed)
        if taken == 0 or (taken <= room.memory and patient):
            for other in passed if taken else ():
                other.overtaken += 1
            return applicant
        passed.append(applicant)
    return None
