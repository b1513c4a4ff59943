"""Some instances that share a real MongoDB and a real bucket, each behind a relay that can fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pymongo

from tests import real
from tests.between import Between
from tests.e2e.harness import Response, ScriptedImaginary, ScriptedOrigin, Server
from tests.stores import mongo_uri, s3_endpoint


@dataclass
class Fleet:
    """Instances with data directories of their own between one origin and one Imaginary."""

    origin: ScriptedOrigin
    imaginary: ScriptedImaginary
    servers: list[Server]
    mongo: Between
    s3: Between
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


@asynccontextmanager
async def shared(mongo: str, s3: str) -> AsyncIterator[tuple[Between, Between, dict[str, object]]]:
    """Relays to an empty database and an empty bucket, and the settings that name both."""
    hosts = pymongo.uri_parser.parse_uri(real.address(mongo))["nodelist"]
    async with (
        Between(":".join(map(str, hosts[0]))) as catalog,
        Between(real.address(s3)) as bucket,
    ):
        endpoint = s3_endpoint(s3, host=bucket.address)
        uri = mongo_uri(mongo, host=catalog.address)
        settings: dict[str, object] = {
            "mongo_connection_string": uri,
            "minio_endpoint": endpoint.host,
            "minio_access_key": endpoint.access_key,
            "minio_secret_key": endpoint.secret_key,
            "minio_bucket": endpoint.bucket,
            "minio_location": endpoint.location,
        }
        yield catalog, bucket, settings


@asynccontextmanager
async def fleet(
    directory: Path, mongo: str, s3: str, *, size: int = 3, **settings: object
) -> AsyncIterator[Fleet]:
    """`size` running instances, started at once on a database and a bucket that are empty."""
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(ScriptedOrigin())
        imaginary = await stack.enter_async_context(ScriptedImaginary())
        catalog, bucket, named = await stack.enter_async_context(shared(mongo, s3))
        chosen = {"imaginary_service_url": imaginary.url, "processes": 64, **named, **settings}
        servers = [Server(directory / str(index), **chosen) for index in range(size)]
        for server in servers:
            stack.push_async_exit(server)
        await asyncio.gather(*(server.start() for server in servers))
        yield Fleet(origin, imaginary, servers, catalog, bucket)
