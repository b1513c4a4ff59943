"""Asking every server process behind one port: each new connection meets any one of them."""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT = 1.0  # seconds for one answer; a process that is stopped takes connections and is silent
DEADLINE = 5.0  # seconds for all of them
_TRIES = 16  # connections for each expected process, and as many more
_LONGEST = 1024 * 1024  # bytes of an answer that are read

# A server that listens on all addresses is asked on this machine's own.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound to it


@dataclass
class Heard:
    """What the processes said, by the instance's name, and why there may be less than expected."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: str = ""


def reachable(host: str) -> str:
    """The address under which a server that listens on `host` can be asked from here."""
    return _EVERYWHERE.get(host, host)


def ask_each(
    host: str, port: int, target: str, fields: dict[str, str], expected: Collection[str]
) -> Heard:
    """Ask until every expected instance has answered, or a bound is passed; never raises.

    Ends at the first refusal: the others would refuse the same.
    """
    heard = Heard()
    missing = set(expected)
    until = time.perf_counter() + DEADLINE
    for _ in range(_TRIES * (len(expected) + 1)):
        if not missing or time.perf_counter() >= until:
            break
        try:
            status, told = _ask(reachable(host), port, target, fields)
        except (OSError, HTTPException, ValueError) as error:
            heard.problem = f"no answer on {reachable(host)} port {port}: {error}"
            if isinstance(error, ConnectionRefusedError):
                break
            continue
        if status != 200:
            heard.problem = f"{status}: {told.get('detail', 'refused')}"
            break
        name = str(told.get("instance"))
        heard.answers[name] = told
        missing.discard(name)
    if not missing:
        heard.problem = ""
    return heard


def _ask(host: str, port: int, target: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", target, headers=fields | {"Connection": "close"})
        answer = connection.getresponse()
        told = json.loads(answer.read(_LONGEST))
        return answer.status, told if isinstance(told, dict) else {}
    finally:
        connection.close()
