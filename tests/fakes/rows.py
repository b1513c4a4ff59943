"""Catalog rows with everything that a test does not care about filled in."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog.base import Claim, Entry, Instance, LogRecord


def an_entry(blob: str = "blob-1", body: bytes = b"picture", **facts: Any) -> Entry:
    """An entry for these bytes."""
    rest: dict[str, Any] = {
        "signature": "signature",
        "keys": ("file", "folder", "host", "*"),
        "as_of": LOG_START,
        "sum": BlobSum(len(body), sha256(body).hexdigest()),
        "head": Head("image/webp", len(body), f'"{blob}"', 1_700_000_000.25),
        "cost": 0.125,
        "used": 1_700_000_001.5,
        "request": "resize?url=https%3A%2F%2Fexample.com%2Fé.jpg&width=300",
    }
    return Entry(blob=blob, **(rest | facts))


def a_record(number: int, *keys: str, **facts: Any) -> LogRecord:
    """A log record with the request `r<number>`."""
    rest: dict[str, Any] = {
        "request": f"r{number}",
        "urls": ("https://example.com/é.jpg",),
        "project": "shop",
        "commit": "c0ffee",
        "at": 1_700_000_002.75,
    }
    return LogRecord(number=number, keys=keys, **(rest | facts))


def a_claim(number: int = 1, **facts: Any) -> Claim:
    """A running claim."""
    rest: dict[str, Any] = {
        "signature": "signature",
        "by": "incarnation-1",
        "blob": f"blob-{number}",
        "keys": ("file", "*"),
        "as_of": LOG_START,
    }
    return Claim(number=number, **(rest | facts))


def an_instance(incarnation: str = "incarnation-1", **facts: Any) -> Instance:
    """A running instance that has applied nothing."""
    rest: dict[str, Any] = {"name": "web", "applied": LOG_START, "seen": 1_700_000_003.0}
    return Instance(incarnation=incarnation, **(rest | facts))


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes | memoryview]:
    """The chunks, one after the other."""
    for chunk in chunks:
        yield chunk
