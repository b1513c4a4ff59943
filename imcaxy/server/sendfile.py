"""A file's bytes from the kernel's memory to the socket, without passing through the process."""

import asyncio
import os
import socket
from typing import Protocol

from imcaxy.errors import BlobCorrupt
from imcaxy.server.progress import Progress

WORTH_IT = 256 * 1024  # bytes; less is written faster
BURST = 512 * 1024  # bytes after which other connections have their turn


class File(Protocol):
    """An open file whose bytes were verified."""

    @property
    def descriptor(self) -> int:
        """Open for reading."""
        ...

    def is_resident(self, start: int, stop: int) -> bool:
        """Whether these bytes can be read without waiting for a disk, as far as it can be known.

        Raises BlobCorrupt when the file has been changed since it was verified.
        """
        ...


class Direct:
    """Sends on the socket of a transport that has nothing left to write, at once and in one step.

    Owns nothing: `let_go` before the transport closes the socket.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, self._descriptor)

    def let_go(self) -> None:
        """Leave the socket to its transport."""
        self._socket.detach()

    def send(self, head: bytes, file: File, length: int) -> int:
        """Head, then the file's first `length` bytes; how many of all these the kernel has taken.

        0 where the connection is gone: the transport finds that out with its own next write.
        """
        sent = 0
        try:
            sent = self._socket.send(head, socket.MSG_MORE)
            if sent == len(head):
                sent += os.sendfile(self._descriptor, file.descriptor, 0, length)
        except OSError:  # also of a socket that takes no more for now
            return sent
        return sent


class FileSender:
    """Sends parts of a file on a connection whose transport has nothing left to write.

    Works on a copy of the socket's descriptor: an event loop that owns the socket lets nobody
    else wait for it, and a connection that is lost must not become another one's.
    """

    def __init__(self, transport: asyncio.Transport, progress: Progress, timeout: float) -> None:
        """Raises OSError when there is no descriptor left for the copy."""
        self._transport = transport
        self._progress = progress
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._socket = os.dup(transport.get_extra_info("socket").fileno())

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._socket)

    async def send(self, file: File, start: int, stop: int) -> int:
        """Send until `stop`, or until a disk would be waited for; the offset that was reached.

        Raises ConnectionError when the client is gone; the progress ends a wait that takes more
        than `timeout` seconds.
        """
        while start < stop and file.is_resident(start, min(start + BURST, stop)):
            if self._transport.is_closing():
                raise ConnectionResetError
            try:
                sent = os.sendfile(self._socket, file.descriptor, start, min(BURST, stop - start))
            except BlockingIOError:
                await self._writable()
                continue
            if not sent:
                raise BlobCorrupt("A kept picture ends too early.")
            start += sent
            await asyncio.sleep(0)
        return start

    async def _writable(self) -> None:
        self._progress.expect(self._timeout)
        ready = self._loop.create_future()
        self._loop.add_writer(self._socket, _settle, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(self._socket)


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
