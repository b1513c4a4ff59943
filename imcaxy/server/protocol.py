"""aiohttp's HTTP/1.1 protocol with our manners: small buffers, deadlines, errors as problems.

The one file that looks inside `aiohttp.web_protocol.RequestHandler` (`_waiter`, `_messages`,
`_paused`, `_keepalive_handle`, `_keepalive_timeout`, `_next_keepalive_close_time`,
`_process_keepalive`); a test fails when an upgrade renames one of them.
"""

import asyncio
import fcntl
import logging
import struct
import termios
from typing import Any, cast

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import InvalidHeader, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from imcaxy.server.answers import Finished, cut
from imcaxy.server.application import Application
from imcaxy.server.exchange import Ending
from imcaxy.server.problems import (
    FIELDS_TOO_LARGE,
    INTERNAL,
    MALFORMED,
    TARGET_TOO_LONG,
    Problem,
)
from imcaxy.server.ready import Reply
from imcaxy.server.sendfile import Direct
from imcaxy.server.unsent import Unsent
from imcaxy.store.blobs.base import OpenBlob

LINE_LIMIT = 64 * 1024  # bytes of a request line
FIELD_LIMIT = 32 * 1024  # bytes of one header field
BODY_LIMIT = 8 * 1024 * 1024  # bytes of a request's body that a handler may read
_SMALL = 16 * 1024  # bytes of a body that are copied faster than two buffers are handed over
LINGER = 1.0  # seconds that what a refused client still sends is read and dropped

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Length: 0\r\nCache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
)
_HEAD_EXPIRED = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = logging.getLogger("imcaxy.server")


class Refusal(Finished):
    """The answer to bytes that are not a request; then the connection ends, in both directions.

    It is sent by `prepare`, because aiohttp makes it in a place that cannot wait. Closing at once
    would reset a client that is still sending, and take the answer from it (RFC 9112 §9.6).
    """

    def __init__(self, application: Application, problem: Problem) -> None:
        super().__init__(problem.status, stays_open=False)
        self._application = application
        self._problem = problem

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the problem and wait, briefly, for the client to have read it."""
        request.protocol.close()
        await self._application.refuse(request, self._problem)
        transport = request.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
            await asyncio.sleep(LINGER)  # cancelled by the client's own close
        return None


class Protocol(RequestHandler):
    """One connection.

    Holds no more than one piece of a body in memory. Closes a connection whose request head does
    not arrive within `head_timeout` seconds of its first byte, with 408, and at once, with 503,
    one that the server has no room for.
    """

    __slots__ = (
        "_application",
        "_at_boundary",
        "_direct",
        "_head_timeout",
        "_head_timer",
        "_lane",
        "_peer",
        "_server",
        "_unsent",
        "served",
    )

    def __init__(
        self, manager: "Server", application: Application, head_timeout: float, **limits: Any
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp documents None, and means it
            max_line_size=LINE_LIMIT,
            max_field_size=FIELD_LIMIT,
            auto_decompress=False,
            **limits,
        )
        self._application = application
        self._server = manager
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._lane = application.lane
        self._direct: Direct | None = None
        self._at_boundary = True  # the parser holds no part of a request
        self._peer = b"null"  # JSON
        self._unsent: Unsent | None = None  # what the kernel has not taken of a ready answer
        self.served = 0  # requests whose head has arrived

    @property
    def idle(self) -> bool:
        """Whether no request is being answered or half read."""
        waits = self._waiter is not None and not self._waiter.done()
        if not waits or self._messages or self._unsent is not None:
            return False
        return self._head_timer is None

    @property
    def unread(self) -> bool:
        """Whether the kernel holds bytes for it that the event loop has not come to read.

        Who closes an idle connection asks this first: a request may have come since the last turn.
        """
        if self.transport is None or self.transport.is_closing():
            return False
        descriptor = self.transport.get_extra_info("socket").fileno()
        count = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
        return bool(struct.unpack("i", count)[0])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a write counts as taken only once the kernel has it."""
        super().connection_made(transport)
        connected = cast("asyncio.Transport", transport)
        if not self._server.make_room():
            connected.write(_FULL)
            self.force_close()
            return
        connected.set_write_buffer_limits(high=0)
        peer = self.peername
        name = peer[0] if isinstance(peer, (list, tuple)) else peer
        self._peer = b"%b" % orjson.dumps(name)  # a copy: orjson's own bytes take 4 KiB
        self._server.open[self] = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; whoever waits for the connection to be gone is told."""
        self._stop_head_timer()
        self._server.open.pop(self, None)
        if self._direct is not None:
            self._direct.let_go()
        if self._unsent is not None:
            self._unsent.end("client-left")
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Go on; a ready answer has now been taken whole."""
        super().resume_writing()
        if self._unsent is not None:
            self._unsent.end("whole")

    def data_received(self, data: bytes) -> None:
        """Answer at once what is ready (design 6.9); else parse, and keep time over a half head."""
        waiter = self._waiter
        if (
            self._at_boundary
            and self._lane is not None
            # No request is being answered: aiohttp waits for one, or has not begun to wait yet.
            and (not waiter.done() if waiter is not None else not self.served)
            and not self._messages
            and not self._paused
            and not self._application.sender.draining
            and (reply := self._lane.find(data)) is not None
        ):
            self._send_ready(reply)
            return
        # The four bytes end a head; where they end a body, its request is not answered before.
        self._at_boundary = data.endswith(b"\r\n\r\n")
        queued = len(self._messages)
        super().data_received(data)
        if len(self._messages) > queued:
            self.served += len(self._messages) - queued
            self._stop_head_timer()
        elif data.strip(b"\r\n") and self.idle:  # empty lines between requests: RFC 9112 §2.2
            self._head_timer = self._loop.call_later(self._head_timeout, self._head_expired)

    def _send_ready(self, reply: Reply) -> None:
        """Write it; no other answer is under way, and the kernel has taken all before it."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        head, body, ready, _, _, _ = reply
        self.served += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if not isinstance(body, bytes):
            length = ready.length
            if (sent := self._send_file(head, body, length, transport)) is not None:
                self._application.log.record_ready(reply, self._peer, "cut", sent)
                cut(transport)
                return
        else:
            length = len(body)
            if length <= _SMALL:
                transport.write(head + body)
            else:
                transport.writelines((head, body))
        if self._paused:
            self._await_taken(reply, length, transport)
        else:
            self._application.log.record_ready(reply, self._peer, "whole", length)

    def _send_file(
        self, head: bytes, file: OpenBlob, length: int, transport: asyncio.Transport
    ) -> int | None:
        """Have the kernel send it; what that does not take is left to the transport.

        None, or the bytes of the file that were sent when the rest cannot be had.
        """
        if self._direct is None:
            self._direct = Direct(transport)
        sent = self._direct.send(head, file, length) - len(head)
        if sent < 0:
            transport.write(head[sent:])
        if sent < length:
            rest = file.read_now(max(0, sent), length)
            if rest is None:
                return max(0, sent)
            transport.write(rest)
        return None

    def _await_taken(self, reply: Reply, length: int, transport: asyncio.Transport) -> None:
        """Watch over what the kernel has not taken of it; then tell the log."""

        def ended(ending: Ending, left: int) -> None:
            self._unsent = None
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
            sent = max(0, length - left)
            self._application.log.record_ready(reply, self._peer, ending, sent)

        self._unsent = Unsent(transport, self._application.policy.client_timeout, ended)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The refusal of a malformed request; aiohttp calls it in place of a handler."""
        if request.writer.output_size > 0:
            reason = "an answer has begun"
            raise ConnectionError(reason)
        if status >= 500:
            _log.error("a request failed outside its handler", exc_info=exc)
        return Refusal(self._application, _refusal(status, exc))

    def _head_expired(self) -> None:
        self._head_timer = None
        if self.transport is not None and self.idle:
            self.transport.write(_HEAD_EXPIRED)
        self.force_close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _process_keepalive(self) -> None:
        if self._unsent is not None:  # an answer is leaving: its own deadline ends the connection
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._head_timer is None:
            super()._process_keepalive()
        else:  # a request is arriving: its own deadline ends the connection
            self._keepalive_handle = None


def _refusal(status: int, error: BaseException | None) -> Problem:
    if isinstance(error, LineTooLong):
        limit = error.args[1] if len(error.args) > 1 else None
        return FIELDS_TOO_LARGE if str(limit) == str(FIELD_LIMIT) else TARGET_TOO_LONG
    if isinstance(error, InvalidHeader) or status < 500:
        return MALFORMED
    return INTERNAL


class Server(web.Server):
    """Makes a Protocol per connection; a client that leaves cancels its handler.

    One connection more than the policy allows takes the place of the oldest that is idle.
    """

    def __init__(
        self,
        application: Application,
        *,
        keepalive_timeout: float,
        head_timeout: float,
        lingering_time: float,
    ) -> None:
        super().__init__(
            application.handle,
            request_factory=self._limited_request,
            handler_cancellation=True,
        )
        self._application = application
        self._head_timeout = head_timeout
        self._limits = {"keepalive_timeout": keepalive_timeout, "lingering_time": lingering_time}
        self._most = application.policy.max_connections
        self.open: dict[Protocol, None] = {}  # oldest first

    def __call__(self) -> Protocol:
        """The protocol of a new connection."""
        return Protocol(self, self._application, self._head_timeout, **self._limits)

    def make_room(self) -> bool:
        """Whether one more connection may open; an idle one is closed for it when none may."""
        if len(self.open) < self._most:
            return True
        for one in self.open:
            if one.idle and not one.unread:
                del self.open[one]
                one.force_close()
                return True
        return False

    def _limited_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if message.upgrade:  # declined; what was pipelined behind it may be lost within aiohttp
            message = message._replace(should_close=True)
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=BODY_LIMIT
        )
