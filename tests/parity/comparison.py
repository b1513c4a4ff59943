"""What is right, what differs and why, over many pairs of answers."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyvips

from tests.parity.asking import Both, Pair, Seen
from tests.parity.differences import Kind, excuses
from tests.parity.likeness import likeness
from tests.parity.requests import Request

ALIKE = 0.97  # similarity that counts as the same picture
TINT = 4.0  # levels by which the mean of a colour may differ
TINY = 8  # pixels; a picture with a shorter side is smaller than the window of the measure


@dataclass(frozen=True, slots=True)
class Deviation:
    """One answer that is not the same, and the name of the difference that excuses it, if any."""

    pair: Pair
    kind: Kind
    detail: str
    excuse: str | None


@dataclass
class Report:
    """The outcome of a comparison."""

    pairs: int = 0
    same: int = 0  # answers without any deviation
    pictures: int = 0  # pairs of pictures of one size
    deviations: list[Deviation] = field(default_factory=list)
    similarities: list[tuple[float, Pair, str | None]] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Deviation]:
        """Those that no named difference is about."""
        return [each for each in self.deviations if each.excuse is None]

    def counts(self) -> Counter[tuple[str, str]]:
        """How many deviations of each kind each difference excused."""
        return Counter((each.excuse or "unexplained", each.kind) for each in self.deviations)

    def lines(self, worst: int = 5) -> list[str]:
        """The report for a terminal."""
        rows = [f"{self.pairs} requests, {self.same} answered the same in every respect"]
        for (name, kind), count in sorted(self.counts().items()):
            rows.append(f"  {name:22} {kind:9} {count}")
        plain = [score for score, _, excuse in self.similarities if excuse is None]
        every = [score for score, _, _ in self.similarities]
        if plain:
            rows.append(
                f"similarity of {len(plain)} pictures that must look the same: median "
                f"{statistics.median(plain):.4f}, worst {min(plain):.4f}; of all {len(every)}: "
                f"median {statistics.median(every):.4f}, worst {min(every):.4f}"
            )
        ordered = sorted(self.similarities, key=lambda item: item[0])
        rows += [f"  {score:.4f} {excuse or '-'} {pair.request}" for score, pair, excuse in
                 ordered[:worst]]  # fmt: skip
        for each in self.unexplained:
            rows.append(f"UNEXPLAINED {each.kind}: {each.detail}\n  {each.pair.request}")
        return rows


async def ask_and_compare(servers: Both, requests: Sequence[Request]) -> Report:
    """The report on the answers to all requests.

    A buffer that Imaginary frees too early makes some of its answers random (Q14), so what is
    unexplained is asked once more: an answer of theirs that is not the same again does not count.
    """
    pairs = await servers.ask_all(requests)
    report = await asyncio.to_thread(compare, pairs)
    doubtful = {each.pair.request.number for each in report.unexplained}
    if not doubtful:
        return report
    for number, pair in enumerate(pairs):
        if pair.request.number in doubtful:
            again = await servers.ask(pair.request)
            if again.theirs != pair.theirs and again.ours == pair.ours:
                pairs[number] = again
    return await asyncio.to_thread(compare, pairs)


def compare(pairs: Sequence[Pair]) -> Report:
    """The report on all pairs."""
    report = Report(pairs=len(pairs))
    for pair in pairs:
        found = _deviations(pair, report)
        report.deviations += found
        report.same += not found
    return report


def _deviations(pair: Pair, report: Report) -> list[Deviation]:
    ours, theirs = pair.ours, pair.theirs
    if ours.status != theirs.status:
        shown = f"{ours.status} {ours.message!r} for {theirs.status} {theirs.message!r}"
        return [_deviation(pair, "status", shown)]
    if ours.status != 200:
        return []
    found: list[Deviation] = []
    if ours.media_type != theirs.media_type:
        return [_deviation(pair, "type", f"{ours.media_type} for {theirs.media_type}")]
    if ours.media_type == "application/json":
        shown = f"{ours.body.decode()} for {theirs.body.decode()}"
        return [] if ours.body == theirs.body else [_deviation(pair, "info", shown)]
    if _sides(ours) != _sides(theirs):
        return [_deviation(pair, "size", f"{_sides(ours)} for {_sides(theirs)}")]
    if ours.frames != theirs.frames:
        found.append(_deviation(pair, "frames", f"{ours.frames} for {theirs.frames}"))
    report.pictures += 1
    return found + _unlike(pair, report)


def _unlike(pair: Pair, report: Report) -> list[Deviation]:
    if min(_sides(pair.ours)) < TINY:
        return []
    try:
        score, tint = likeness(pair.ours.picture(), pair.theirs.picture())
    except pyvips.Error as error:
        return [_deviation(pair, "likeness", f"cannot be compared: {error}")]
    if score >= ALIKE and tint <= TINT:
        report.similarities.append((score, pair, None))
        return []
    named = [each for each in excuses(pair, "likeness") if score >= each.floor]
    excuse = named[0].name if named else None
    report.similarities.append((score, pair, excuse))
    shown = f"similarity {score:.4f}, tint {tint:.1f}"
    return [Deviation(pair, "likeness", shown, excuse)]


def _deviation(pair: Pair, kind: Kind, detail: str) -> Deviation:
    named = excuses(pair, kind)
    return Deviation(pair, kind, detail, named[0].name if named else None)


def _sides(seen: Seen) -> tuple[int, int]:
    return seen.width, seen.height
