"""Thousands of readers in one process, with one buffer for all of them."""

import asyncio
import zlib
from collections.abc import Callable

_BUFFER = memoryview(bytearray(256 * 1024))  # shared: what is read is counted and let go


class MassReader(asyncio.BufferedProtocol):
    """One keep-alive connection that counts and checksums bodies instead of keeping them."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.status = 0
        self.length = 0  # bytes announced
        self.received = 0  # bytes of the body so far
        self.checksum = 0  # CRC-32 of the body so far
        self.closed = False
        self._head = b""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        data = _BUFFER[:nbytes]
        if not self.status:
            self._head += bytes(data)
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._parse(self._head[:end].decode("latin-1"))
            data = memoryview(self._head)[end + 4 :]
        self.received += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._wake()

    def ask(self, target: str) -> None:
        """Send the next request; the counts start again."""
        assert self.transport is not None
        self.status = self.length = self.received = self.checksum = 0
        self._head = b""
        self.transport.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    async def reach(self, count: int | None = None) -> None:
        """Return once `count` bytes of the body (all when None) are there, or none will come."""
        if not self._reached(count):
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((-1 if count is None else count, future))
            await future

    def _reached(self, count: int | None) -> bool:
        enough = self.length if count is None or count < 0 else count
        return self.closed or (self.status > 0 and self.received >= enough)

    def _wake(self) -> None:
        for item in [item for item in self._waiting if self._reached(item[0])]:
            self._waiting.remove(item)
            if not item[1].done():
                item[1].set_result(None)

    def _parse(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self.status = int(first.split(" ")[1])
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        self.length = int(headers["content-length"])


class Mass:
    """Many readers that act as one."""

    def __init__(self, readers: list[MassReader]) -> None:
        self.readers = readers

    @classmethod
    async def connect(cls, port: int, count: int) -> "Mass":
        """`count` connections to a server on this machine."""
        loop = asyncio.get_running_loop()
        readers = []
        for _ in range(count):
            _, reader = await loop.create_connection(MassReader, "127.0.0.1", port)
            readers.append(reader)
        return cls(readers)

    def ask(self, target: str) -> None:
        """Everybody sends the same request."""
        for reader in self.readers:
            reader.ask(target)

    async def reach(self, count: int | None = None) -> None:
        """Return once everybody has `count` bytes of the body, all of them when None."""
        for reader in self.readers:
            await reader.reach(count)

    def all(self, condition: Callable[[MassReader], bool]) -> bool:
        """Whether the condition holds for everybody."""
        return all(condition(reader) for reader in self.readers)

    def close(self) -> None:
        """Break every connection."""
        for reader in self.readers:
            if reader.transport is not None:
                reader.transport.abort()
