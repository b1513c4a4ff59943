"""`imcaxy stats`: figures of the catalog, and of every process that answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imcaxy.clock import Clock
from imcaxy.console.asking import Heard, ask_each
from imcaxy.console.instances import Standing, standings
from imcaxy.console.joined import joined
from imcaxy.console.table import aligned
from imcaxy.settings import Settings
from imcaxy.store.figures import figures

UNASKED = "Figures of each instance need a token: set IMCAXY_INVALIDATE_SECURITY_TOKEN"

_SHARED = (
    ("pictures kept", "entries", "entryBytes"),
    ("waiting to be deleted", "trash", "trashBytes"),
    ("claims", "claims", None),
    ("claims of running jobs", "claimsRunning", None),
    ("invalidations", "logHead", None),
    ("of them not cleared", "uncleared", None),
    ("instances", "instances", None),
)


@dataclass(frozen=True, slots=True)
class Stats:
    """What the catalog counts, and what the instances say."""

    catalog: Mapping[str, Any]
    instances: Sequence[Standing]
    heard: Heard

    def to_json(self) -> dict[str, object]:
        """The same as plain values."""
        answers = [answer for _, answer in sorted(self.heard.answers.items())]
        return {
            "catalog": dict(self.catalog),
            "instances": answers,
            "silent": self.heard.silent(each.name for each in self.instances),
            "problem": self.heard.problem or None,
        }


async def stats(settings: Settings) -> Stats:
    """Raises StoreError when the catalog does not answer."""
    clock = Clock()
    async with joined(settings, clock) as catalog:
        found = await figures(catalog)
        there = [each for each in await standings(catalog, clock) if each.answers]
    if not settings.tokens:
        return Stats(found, there, Heard(problem=UNASKED))
    heard = await asyncio.to_thread(
        ask_each,
        settings.host,
        settings.port,
        "/stats?catalog=false",
        {"Authorization": f"Bearer {settings.tokens[0]}"},
        [each.name for each in there],
    )
    return Stats(found, there, heard)


def told(stats: Stats) -> list[str]:
    """The lines for people."""
    shared = [
        (text, str(stats.catalog[count]), "" if size is None else f"{stats.catalog[size]} bytes")
        for text, count, size in _SHARED
    ]
    heading = ("instance", "answers", "memory bytes", "items", "hits", "streams", "jobs", "lag")
    rows: list[tuple[str, ...]] = [heading]
    for each in stats.instances:
        answer = stats.heard.answers.get(each.name)
        rows.append((each.name, *(_process(answer["process"]) if answer else ("?",) * 7)))
    lines = [*aligned(shared, right={1, 2}), "", *aligned(rows, right=range(1, 8))]
    return [*lines, "", stats.heard.problem] if stats.heard.problem else lines


def _process(process: Mapping[str, Any]) -> tuple[str, ...]:
    memory = process["memory"]
    return (
        str(sum(process["requests"].values())),
        str(memory["bytes"]),
        str(memory["items"]),
        str(memory["hits"]),
        str(process["streams"]["count"]),
        f"{process['jobs']['running']}+{process['jobs']['waiting']}",
        f"{process['log']['silence']:.2f} s",
    )
