"""The one place that commits an answer: status line, header fields, body, and how it ends.

No answer ends as if it were complete while its body is not (design 4; RFC 9112 §8):

* the first piece of the body is awaited before the status line is written, so what fails before its
  first byte is still an ordinary error;
* from then on nothing is raised and nothing returns early: whatever goes wrong resets the
  connection, with no last chunk and short of any Content-Length.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import NamedTuple, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict

from imcaxy.clock import Clock
from imcaxy.errors import InternalError, WaitExpired
from imcaxy.grammar.variant import Variant
from imcaxy.server.dates import format_date
from imcaxy.server.exchange import Exchange
from imcaxy.server.origins import Fields
from imcaxy.server.progress import Progress
from imcaxy.server.ranges import Span
from imcaxy.server.sendfile import BURST, WORTH_IT, File, FileSender

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST, never FIN

_log = logging.getLogger("imcaxy.server")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to be sent; `body` is bytes and spans of `variant`, in this order."""

    status: int
    fields: Fields  # without Content-Length, Connection and X-Request-Id; Date when absent is now
    body: tuple[bytes | Span, ...] = ()
    length: int | None = 0  # bytes of the body; None while a running picture has not said it
    variant: Variant | None = None


class Finished(web.StreamResponse):
    """Tells aiohttp that the answer has been sent; writes nothing itself."""

    def __init__(self, status: int, *, stays_open: bool) -> None:
        super().__init__(status=status)
        self._open = stays_open

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can take another request."""
        return self._open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing: the status line has been sent."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the body has been sent."""


class Sender:
    """Sends answers; knows how long a client and a producer may take over one piece."""

    def __init__(self, clock: Clock, client_timeout: float, piece_timeout: float) -> None:
        self._clock = clock
        self._client_timeout = client_timeout
        self._piece_timeout = piece_timeout
        self.draining = False  # every answer that begins from now on ends its connection

    async def send(self, exchange: Exchange, answer: Answer) -> None:
        """Send the answer and note in `exchange` how it ended.

        Raises ImcaxyError only while not a byte has been written; the caller may then send another
        answer. Holds one piece of the body at most.
        """
        bodyless = exchange.method == "HEAD" or answer.status in {204, 304}
        if answer.length is None and not bodyless and not exchange.understands_chunks:
            answer = await self._measured(answer)
        async with contextlib.aclosing(_pieces(answer)) as pieces:
            first = None if bodyless else await self._next(pieces)
            if first is None and not bodyless and answer.variant is not None:
                raise InternalError("a picture without a byte")
            transport = exchange.request.transport
            await self._prepare_head(exchange, answer, bodyless=bodyless)
            try:
                exchange.committed = True
                if first is None:
                    await self._finish(exchange)
                else:
                    await self._write_body(exchange, answer, first, pieces)
            except ConnectionError:
                exchange.ended = "client-left"
                cut(transport)
            except Exception as error:  # too late for any answer
                _report_cut(exchange, error)
                exchange.ended = "cut"
                cut(transport)
            except BaseException:
                exchange.ended = "client-left" if exchange.request.transport is None else "cut"
                cut(transport)
                raise
            finally:
                exchange.stays_open = exchange.stays_open and exchange.ended == "whole"

    async def _prepare_head(self, exchange: Exchange, answer: Answer, *, bodyless: bool) -> None:
        """Lay out the status line and the fields; they leave with the first piece."""
        fields = CIMultiDict(answer.fields)
        fields.setdefault("Date", format_date(int(self._clock.wall())))
        fields["X-Request-Id"] = exchange.request_id
        writer = exchange.request.writer
        if answer.status not in {204, 304}:
            if answer.length is not None:
                fields["Content-Length"] = str(answer.length)
            elif not bodyless:
                fields["Transfer-Encoding"] = "chunked"
        wanted = exchange.request.keep_alive and not exchange.is_last
        exchange.stays_open = wanted and not self.draining
        if not exchange.stays_open:
            fields["Connection"] = "close"
        elif not exchange.understands_chunks:
            fields["Connection"] = "keep-alive"
        exchange.status = answer.status
        exchange.cache_status = fields.get("Cache-Status")
        phrase = HTTPStatus(answer.status).phrase
        await writer.write_headers(f"HTTP/1.1 {answer.status} {phrase}", fields)
        if "Transfer-Encoding" in fields:
            writer.enable_chunking()

    async def _write_body(
        self,
        exchange: Exchange,
        answer: Answer,
        first: bytes | memoryview,
        rest: AsyncIterator[bytes | memoryview],
    ) -> None:
        """Piece by piece; the last one only when the producer has ended well.

        So a producer that notices at its very end that something is wrong can still break the
        answer, although all announced bytes are there.
        """
        async with Progress() as progress:
            part = _part_of_file(answer)
            if part is not None and (sender := self._sender(exchange, progress)) is not None:
                try:
                    await self._give(exchange, first, progress)
                    await self._write_file(exchange, answer, part, sender, progress)
                finally:
                    sender.close()
                first = b""
            piece: bytes | memoryview | None = first or None
            while piece is not None:
                size = exchange.sent + len(piece)
                is_last = answer.length is not None and size >= answer.length
                if is_last:
                    progress.expect(self._piece_timeout)
                    if size != answer.length or await anext(rest, None) is not None:
                        raise InternalError("more bytes than announced")
                await self._give(exchange, piece, progress)
                piece = None if is_last else await anext(rest, None)
        if not _is_whole(answer, exchange.sent):
            raise InternalError("a body that ended early")
        await self._finish(exchange)

    def _sender(self, exchange: Exchange, progress: Progress) -> FileSender | None:
        """None when the process has no descriptor left for it: the body goes piece by piece."""
        transport = exchange.request.transport
        if transport is None:
            raise ConnectionResetError
        try:
            return FileSender(transport, progress, self._client_timeout)
        except OSError:
            return None

    async def _write_file(
        self,
        exchange: Exchange,
        answer: Answer,
        part: "_PartOfFile",
        sender: FileSender,
        progress: Progress,
    ) -> None:
        """The rest of a long part of a file: by the kernel, what it has in its memory."""
        while (offset := part.start + exchange.sent) < part.stop:
            progress.expect(self._piece_timeout)
            reached = await sender.send(part.file, offset, part.stop)
            exchange.sent += reached - offset
            burst = Span(reached, min(reached + BURST, part.stop))  # on the disk: waits for it
            if reached < part.stop:
                async with contextlib.aclosing(_pieces(replace(answer, body=(burst,)))) as rest:
                    async for piece in rest:
                        await self._give(exchange, piece, progress)

    async def _give(
        self, exchange: Exchange, piece: bytes | memoryview, progress: Progress
    ) -> None:
        """Write one piece, and wait until the kernel has it."""
        await _writer(exchange).write(piece, drain=False)
        if exchange.request.protocol.writing_paused:
            progress.expect(self._client_timeout)
            await exchange.request.writer.drain()
        exchange.sent += len(piece)
        progress.expect(self._piece_timeout)

    async def _finish(self, exchange: Exchange) -> None:
        """The normal end: the last chunk, if there are chunks. Called only for a whole body."""
        _writer(exchange).set_eof()
        if exchange.request.protocol.writing_paused:  # until the kernel has what was written
            async with asyncio.timeout(self._client_timeout):
                await exchange.request.writer.drain()
        exchange.ended = "whole"

    async def _next(self, pieces: AsyncIterator[bytes | memoryview]) -> bytes | memoryview | None:
        """The next piece, None at the normal end; raises WaitExpired."""
        try:
            async with asyncio.timeout(self._piece_timeout):
                return await anext(pieces, None)
        except TimeoutError:
            raise WaitExpired(retry_after=1.0) from None

    async def _measured(self, answer: Answer) -> Answer:
        """The answer once its picture is whole, for a client that knows no chunks."""
        variant = answer.variant
        if variant is None:
            raise InternalError("a body of unknown length without a picture")
        tail = replace(answer, body=(Span(variant.available, None),))
        async with contextlib.aclosing(_pieces(tail)) as pieces:
            while await self._next(pieces) is not None:
                pass
        return replace(answer, length=variant.available)


async def _pieces(answer: Answer) -> AsyncGenerator[bytes | memoryview, None]:
    """The body, piece by piece; closes the variant's reader when left early."""
    for part in answer.body:
        if isinstance(part, bytes):
            yield part
            continue
        if answer.variant is None:
            raise InternalError("a span without a picture")
        reader = answer.variant.read(part.start, part.stop)
        try:
            async for piece in reader:
                if len(piece):
                    yield piece
        finally:
            close = getattr(reader, "aclose", None)
            if close is not None:
                await close()


class _PartOfFile(NamedTuple):
    file: File
    start: int
    stop: int


def _part_of_file(answer: Answer) -> _PartOfFile | None:
    """The body, where it is one span of an open file, and long enough for the kernel to send it."""
    file: File | None = getattr(answer.variant, "blob", None)
    if file is None or len(answer.body) != 1 or (answer.length or 0) < WORTH_IT:
        return None
    (span,) = answer.body
    if isinstance(span, bytes) or span.stop is None:
        return None
    return _PartOfFile(file, span.start, span.stop)


def _writer(exchange: Exchange) -> StreamWriter:
    return cast("StreamWriter", exchange.request.writer)  # what aiohttp's server always has


def _is_whole(answer: Answer, sent: int) -> bool:
    if answer.length is not None:
        return sent == answer.length
    variant = answer.variant
    return variant is not None and variant.whole and sent == variant.available


def cut(transport: asyncio.Transport | None) -> None:
    """Break the connection so that its reader knows: what was sent is not the whole."""
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError, ValueError):  # uvloop's word for one that is closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _report_cut(exchange: Exchange, error: Exception) -> None:
    reason = repr(error)
    if expected := isinstance(error, TimeoutError):
        blocked = exchange.request.protocol.writing_paused
        reason = "the client takes nothing" if blocked else "the picture does not go on"
    _log.warning(
        "an answer was cut",
        extra={"request_id": exchange.request_id, "reason": reason},
        exc_info=None if expected else error,
    )
