"""Invalidation as its callers do it."""

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.wire import Client

TOKEN = "opens-the-servers-of-tests"  # noqa: S105 - and nothing else
SETTINGS = {"invalidate_security_token": TOKEN}
FIELDS = (("Authorization", f"Bearer {TOKEN}"),)


@dataclass
class Told:
    """The status of an answer, and its JSON."""

    status: int
    body: dict[str, Any]


async def invalidate(client: Client, *urls: str, **members: object) -> Told:
    """`DELETE /invalidate` with these URLs and members in a JSON body."""
    body = json.dumps({"urls": list(urls), **members}).encode()
    getting = await client.begin("/invalidate", method="DELETE", headers=FIELDS, body=body)
    answer = await getting.rest()
    return Told(answer.status, json.loads(answer.body))


async def look(client: Client, target: str) -> Told:
    """A route that needs the token."""
    answer = await client.get(target, headers=FIELDS)
    return Told(answer.status, json.loads(answer.body))
