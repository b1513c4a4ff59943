"""The blob suite over real S3 servers."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from miniopy_async.api import Minio

from imcaxy.clock import Clock
from imcaxy.store.blobs.s3 import S3Blobs
from imcaxy.store.blobs.s3_client import Endpoint
from tests.contract.blobs_suite import BlobsSuite, OpenBlobs, Tamper
from tests.stores import S3, each, s3_endpoint


@pytest.mark.parametrize("server", each(S3))
class TestS3Blobs(BlobsSuite):
    @pytest.fixture
    def endpoint(self, server: str) -> Endpoint:
        return s3_endpoint(server)

    @pytest.fixture
    def open_blobs(self, endpoint: Endpoint) -> OpenBlobs:
        return lambda: S3Blobs(endpoint, Clock(), timeout=10, settle=0)

    @pytest.fixture
    def tamper(self, endpoint: Endpoint) -> Tamper:
        async def put(name: str, body: bytes) -> None:
            library = Minio(endpoint.host, endpoint.access_key, endpoint.secret_key, secure=False)
            async with library:
                data = io.BytesIO(body)
                await library.put_object(
                    endpoint.bucket, name, data, len(body), part_size=len(body)
                )

        def replace(name: str, body: bytes) -> None:
            with ThreadPoolExecutor(1) as thread:  # the test's own loop runs here
                thread.submit(lambda: asyncio.run(put(name, body))).result(20)

        return replace
