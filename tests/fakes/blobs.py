"""A blob store in memory that can be told to fail, hang and lose bytes."""

import uuid
from collections.abc import AsyncIterator
from hashlib import sha256

from imcaxy.errors import BlobCorrupt, BlobError, BlobMissing
from imcaxy.grammar.variant import CHUNK
from imcaxy.store.blobs.base import BlobSum, BlobTier, OpenBlob
from tests.fakes.faults import Faults


class FakeBlobs:
    """Blobs; `held` are its bytes, `faults` its failures (put, read, load, delete, check)."""

    def __init__(self, held: dict[str, bytes] | None = None) -> None:
        self.held: dict[str, bytes] = {} if held is None else held
        self.faults = Faults(BlobError("The blob store does not answer."))
        self._id = uuid.uuid4().hex
        self._closed = False

    tier: BlobTier = "disk"

    @property
    def id(self) -> str:
        return self._id

    async def start(self) -> None:
        await self._meet("start")

    async def put(self, name: str, chunks: AsyncIterator[bytes | memoryview]) -> BlobSum:
        await self._meet("put")
        body = b"".join([bytes(chunk) async for chunk in chunks])
        await self._meet("put.end")
        if name in self.held:
            raise BlobError("A blob's name is used twice.", value=name)
        self.held[name] = body
        return BlobSum(len(body), sha256(body).hexdigest())

    async def read(
        self,
        name: str,
        expected: BlobSum,
        start: int = 0,
        stop: int | None = None,
        *,
        held: OpenBlob | None = None,
    ) -> AsyncIterator[bytes]:
        assert held is None
        await self._meet("read")
        body = self._sized(name, expected)
        end = len(body) if stop is None else min(stop, len(body))
        whole = start == 0 and end == len(body)
        for at in range(start, end, CHUNK):
            await self._meet("read.piece")
            last = at + CHUNK >= end
            if last and whole and sha256(body).hexdigest() != expected.digest:
                raise BlobCorrupt
            yield body[at : min(at + CHUNK, end)]

    async def load(self, name: str, expected: BlobSum) -> bytes:
        await self._meet("load")
        body = self._sized(name, expected)
        if sha256(body).hexdigest() != expected.digest:
            raise BlobCorrupt
        return body

    async def load_open(self, name: str, expected: BlobSum) -> tuple[bytes, OpenBlob | None]:
        return await self.load(name, expected), None

    async def hold(self, name: str, expected: BlobSum) -> None:
        await self._meet("hold")

    async def delete(self, name: str) -> None:
        await self._meet("delete")
        self.held.pop(name, None)

    async def remove_unfinished(self) -> int:
        await self._meet("remove_unfinished")
        return 0

    async def check(self) -> str:
        await self._meet("check")
        return "memory: written, read and deleted"

    async def close(self) -> None:
        self._closed = True

    def _sized(self, name: str, expected: BlobSum) -> bytes:
        if name not in self.held:
            raise BlobMissing(value=name)
        if len(self.held[name]) != expected.length:
            raise BlobCorrupt(value=name)
        return self.held[name]

    async def _meet(self, operation: str) -> None:
        await self.faults.meet(operation)
        if self._closed:
            raise BlobError("The blob store is closed.")
