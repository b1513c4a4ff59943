"""Asking every server process behind one port: each new connection meets any one of them."""

import json
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT = 2.0  # seconds for one answer; a process that is stopped takes connections and is silent
DEADLINE = 5.0  # seconds after which no more are asked
_ROUNDS, _EACH, _AT_ONCE = 5, 4, 64  # connections at once: for each expected instance, at most
_LONGEST = 1024 * 1024  # bytes of an answer that are read

# A server that listens on all addresses is asked on this machine's own.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound to it


@dataclass
class Heard:
    """What the processes said, by the instance's name, and why there may be less than expected."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: str = ""
    refused: bool = False  # whether asking again is of no use

    def silent(self, expected: Iterable[str]) -> list[str]:
        """Those of `expected` that have said nothing, in their order."""
        return [name for name in expected if name not in self.answers]


def reachable(host: str) -> str:
    """The address under which a server that listens on `host` can be asked from here."""
    return _EVERYWHERE.get(host, host)


def ask_each(
    host: str, port: int, target: str, fields: dict[str, str], expected: Collection[str]
) -> Heard:
    """Ask until every expected instance has answered, or a bound is passed; never raises.

    Several connections at once, as a process that is stopped lets each that meets it wait. Ends
    with the first refusal: the others would refuse the same.
    """
    heard = Heard()
    many = min(_AT_ONCE, _EACH * len(expected))
    until = time.perf_counter() + DEADLINE
    for _ in range(_ROUNDS):
        if heard.refused or not heard.silent(expected) or time.perf_counter() >= until:
            break
        with ThreadPoolExecutor(many) as pool:
            asked = [pool.submit(_ask, reachable(host), port, target, fields) for _ in range(many)]
        for one in asked:
            _hear(heard, one, f"{reachable(host)} port {port}")
    if heard.answers.keys() >= set(expected):
        heard.problem = ""
    return heard


def _hear(heard: Heard, one: "Future[tuple[int, dict[str, Any]]]", place: str) -> None:
    try:
        status, told = one.result()
    except (OSError, HTTPException, ValueError) as error:
        heard.problem = heard.problem or f"no answer on {place}: {error}"
        heard.refused = heard.refused or isinstance(error, ConnectionRefusedError)
        return
    if status == 200:
        heard.answers[str(told.get("instance"))] = told
    else:
        heard.refused = True
        heard.problem = f"{status}: {told.get('detail', 'refused')}"


def _ask(host: str, port: int, target: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", target, headers=fields | {"Connection": "close"})
        answer = connection.getresponse()
        told = json.loads(answer.read(_LONGEST))
        return answer.status, told if isinstance(told, dict) else {}
    finally:
        connection.close()
