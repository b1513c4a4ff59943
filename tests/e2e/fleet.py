"""Some instances that share a real MongoDB and a real bucket, each behind a relay that can fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pymongo

from tests import real
from tests.between import Between
from tests.e2e.harness import Response, ScriptedImaginary, ScriptedOrigin, Server
from tests.e2e.shelf import named_bucket
from tests.stores import mongo_uri, s3_endpoint

SIZE = 3  # instances


@dataclass
class Fleet:
    """Instances with data directories of their own between one origin and one Imaginary."""

    origin: ScriptedOrigin
    imaginary: ScriptedImaginary
    servers: list[Server]
    mongo: "Every"
    s3: "Every"
    widths: Iterator[int] = field(default_factory=lambda: count(1000))  # not asked for yet

    def target(self, width: int = 100, path: str = "/photo.png") -> str:
        """The request target for a variant of a source on the scripted origin."""
        source = quote(self.origin.url + path, safe="")
        return f"/imaginary/resize?width={width}&url={source}"

    async def get(self, index: int, width: int = 100) -> Response:
        """One whole exchange with one of the instances."""
        return await self.servers[index].client.get(self.target(width))

    async def status(self, index: int, width: int = 100) -> str:
        """The same, and how it was answered."""
        response = await self.get(index, width)
        assert response.status == 200, response.body
        assert response.whole
        return response.headers["cache-status"]


class Every:
    """The relays of all instances to one part, as one."""

    def __init__(self, relays: list[Between]) -> None:
        self.relays = relays

    def let_pass(self) -> None:
        """Relay everything; who hung goes on."""
        for relay in self.relays:
            relay.let_pass()

    def hang(self) -> None:
        """Take connections and bytes and give nothing on."""
        for relay in self.relays:
            relay.hang()

    def reset(self) -> None:
        """End every connection at once, now and later."""
        for relay in self.relays:
            relay.reset()

    def reset_once(self) -> None:
        """End every connection now."""
        for relay in self.relays:
            relay.reset_once()

    def delay(self, seconds: float) -> None:
        """Hold each piece that long, both ways."""
        for relay in self.relays:
            relay.delay(seconds)


def settings_of(mongo: str, s3: str) -> dict[str, object]:
    """The settings that name a database and a bucket of their own."""
    endpoint = s3_endpoint(s3)
    return {
        "mongo_connection_string": mongo_uri(mongo),
        "minio_endpoint": endpoint.host,
        "minio_access_key": endpoint.access_key,
        "minio_secret_key": endpoint.secret_key,
        "minio_bucket": endpoint.bucket,
        "minio_location": endpoint.location,
    }


@asynccontextmanager
async def fleet(
    directory: Path,
    mongo: str,
    s3: str,
    bucket: Literal["named", "new"] = "named",
    /,
    **settings: object,
) -> AsyncIterator[Fleet]:
    """Three running instances, started at once on a database and a bucket that are empty.

    Each has relays of its own to both. The first to use a new bucket waits for a whole
    `store_timeout`; a named one has its id already.
    """
    named = settings_of(mongo, s3)
    if bucket == "named":
        await named_bucket(replace(s3_endpoint(s3), bucket=str(named["minio_bucket"])))
    uri, host = str(named["mongo_connection_string"]), host_of(real.address(mongo))
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(ScriptedOrigin())
        imaginary = await stack.enter_async_context(ScriptedImaginary())
        chosen = {"imaginary_service_url": imaginary.url, "processes": 64, **named, **settings}
        catalogs, buckets, servers = [], [], []
        for index in range(SIZE):
            catalogs.append(await stack.enter_async_context(Between(host)))
            buckets.append(await stack.enter_async_context(Between(real.address(s3))))
            own = {
                "mongo_connection_string": uri.replace(host, catalogs[-1].address),
                "minio_endpoint": buckets[-1].address,
            }
            servers.append(Server(directory / str(index), **(chosen | own)))
        for server in servers:
            stack.push_async_exit(server)
        await asyncio.gather(*(server.start() for server in servers))
        yield Fleet(origin, imaginary, servers, Every(catalogs), Every(buckets))


def host_of(uri: str) -> str:
    """The only host of a connection string, with its port."""
    (host, port), *_ = pymongo.uri_parser.parse_uri(uri)["nodelist"]
    return f"{host}:{port}"
