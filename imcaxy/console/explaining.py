"""`imcaxy explain`: why a picture is a hit or a miss, on each instance that answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from imcaxy import adapters
from imcaxy.clock import Clock
from imcaxy.console.asking import Heard, ask_each
from imcaxy.console.instances import Standing, standings
from imcaxy.console.joined import joined
from imcaxy.console.table import aligned
from imcaxy.proxy.explaining import kept_of, to_json
from imcaxy.proxy.planning import ImagePlan, Planner
from imcaxy.server.observing import asked_of
from imcaxy.settings import Settings
from imcaxy.share import Share

UNASKED = (
    "What each instance holds needs a token: set IMCAXY_INVALIDATE_SECURITY_TOKEN as the servers do"
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the catalog has of a picture, and what its instances say."""

    picture: Mapping[str, Any]
    instances: Sequence[Standing]
    heard: Heard

    def to_json(self) -> dict[str, object]:
        """The same as plain values."""
        answers = [
            {name: told for name, told in answer.items() if name != "picture"}
            for _, answer in sorted(self.heard.answers.items())
        ]
        return {
            **self.picture,
            "instances": answers,
            "silent": self.heard.silent(each.name for each in self.instances),
            "problem": self.heard.problem or None,
        }


async def explain(settings: Settings, target: str, accept: str | None) -> Explanation:
    """Raises RequestError and SourceError for what is no picture's address, StoreError."""
    clock = Clock()
    plan = await _plan(settings, clock, target, accept)
    async with joined(settings, clock) as catalog:
        kept = await kept_of(catalog, plan)
        there = [each for each in await standings(catalog, clock) if each.answers]
    if not settings.tokens:
        return Explanation(to_json(plan, kept), there, Heard(problem=UNASKED))
    fields = {"Authorization": f"Bearer {settings.tokens[0]}"}
    if accept is not None:
        fields["Accept"] = accept
    heard = await asyncio.to_thread(
        ask_each,
        settings.host,
        settings.port,
        f"/explain?target={quote(target, safe='')}",
        fields,
        [each.name for each in there],
    )
    return Explanation(to_json(plan, kept), there, heard)


async def _plan(settings: Settings, clock: Clock, target: str, accept: str | None) -> ImagePlan:
    """The request as a server with these settings reads it."""
    http = adapters.http_reader(settings)
    processor = adapters.processor(settings, Share.of(settings), clock, http)
    try:
        return Planner(adapters.rules(settings), processor).plan(asked_of(target, accept))
    finally:
        await processor.close()
        await http.close()


def told(explanation: Explanation) -> list[str]:
    """The lines for people."""
    picture, heard = explanation.picture, explanation.heard
    facts = [
        ("request", picture["request"]),
        ("signature", picture["signature"]),
        ("entry", _entry(picture["entry"], picture["staleEntry"], picture["lastRecord"])),
        ("last named by", _record(picture["lastRecord"])),
        ("claim", _claim(picture["claim"])),
        *(("purge key" if not n else "", name) for n, name in enumerate(picture["keys"].values())),
    ]
    rows = [("instance", "holds", "applied", "what the next request gets")]
    for name in sorted({each.name for each in explanation.instances} | heard.answers.keys()):
        answer = heard.answers.get(name)
        if answer is None:
            rows.append((name, "?", "?", "it has not answered"))
        else:
            rows.append((name, answer["holds"], str(answer["applied"]), answer["verdict"]))
    lines = [*aligned(facts), "", *aligned(rows, right={2})]
    return [*lines, "", heard.problem] if heard.problem else lines


def _entry(entry: Mapping[str, Any] | None, stale: Mapping[str, Any] | None, record: Any) -> str:
    if entry is None and stale is None:
        return "none"
    found = entry or stale or {}
    state = "" if entry is not None else f"stale since invalidation {record['number']}: "
    return (
        f"{state}{found['length']} bytes, {found['mediaType']}, as of {found['asOf']}, "
        f"made {_date(found['madeAt'])} in {found['secondsToMake']} s, "
        f"used {found['uses']} times, last about {_date(found['usedAt'])}; blob {found['blob']}"
    )


def _record(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "no invalidation"
    commit = f", {record['projectName']} {record['commitHash']}".rstrip(", ")
    named = " and ".join(record["names"])
    return f"invalidation {record['number']} of {_date(record['at'])}{commit}: {named}"


def _claim(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return "none"
    return f"{claim['number']} by {claim['by']}, {'running' if claim['running'] else 'ended'}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
