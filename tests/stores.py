"""Buckets and databases of their own on the real servers, for tests of what keeps things there."""

import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from imcaxy.store.blobs.s3_client import Endpoint
from tests import real

S3 = ("minio", "versitygw")
MONGO = ("ferretdb", "secantus", *(["mongo"] if real.runs("mongo") else []))
REPLICATED = ("secantus", "mongo")  # those of MONGO that say that they are a replica set


def each(servers: Iterable[str]) -> list[Any]:
    """One parameter per server, which needs that server."""
    return [pytest.param(name, marks=pytest.mark.integration(name)) for name in servers]


def s3_endpoint(server: str, *, bucket: str = "", host: str = "") -> Endpoint:
    """A bucket of its own on this server; `host` is something that stands before it."""
    return Endpoint(
        host=host or real.address(server),
        access_key=real.told("SERVICES_S3_ACCESS_KEY"),
        secret_key=real.told("SERVICES_S3_SECRET_KEY"),
        bucket=bucket or f"imcaxy-{uuid.uuid4().hex}",
        location=real.told("SERVICES_S3_REGION"),
        tls=False,
    )


def mongo_uri(server: str, *, database: str = "", host: str = "") -> str:
    """A database of its own on this server; `host` is something that stands before it."""
    before, _, options = real.address(server).partition("?")
    place = host or before.partition("://")[2].rstrip("/")
    return f"mongodb://{place}/{database or f'imcaxy_{uuid.uuid4().hex}'}?{options}"
