"""HTTP servers on raw sockets that answer by script: they can hold, stall, drip, cut and fail."""

import asyncio
import hashlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit

PIECE = 64 * 1024  # bytes of one write
PATIENCE = 30.0  # seconds that a test waits for something that should long have happened


class Hold:
    """A place where answers stand until they are let go; it can prove that they still do."""

    def __init__(self) -> None:
        self.holding = 0  # answers that stand here now
        self._reached = asyncio.Event()
        self._gate = asyncio.Event()

    async def reached(self) -> None:
        """Return once an answer has stood here."""
        await asyncio.wait_for(self._reached.wait(), PATIENCE)

    def release(self) -> None:
        """Let everybody go on, now and later."""
        self._gate.set()

    async def stand(self, peer: asyncio.StreamReader) -> None:
        """Wait to be let go; raises ConnectionError when the peer leaves before that."""
        self.holding += 1
        self._reached.set()
        loop = asyncio.get_running_loop()
        gate, leaving = loop.create_task(self._gate.wait()), loop.create_task(peer.read(1))
        try:
            await asyncio.wait((gate, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not self._gate.is_set():
                raise ConnectionResetError
        finally:
            self.holding -= 1
            for task in (gate, leaving):
                task.cancel()
            await asyncio.gather(gate, leaving, return_exceptions=True)


@dataclass
class Request:
    """What a scripted server was asked, and how far its answer came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    size: int  # bytes of the body
    digest: str  # SHA-256 of the body, hex
    at: float  # loop time when it was read
    sent: int = 0  # bytes of the answer's body that were written
    left: bool = False  # the peer was gone before the answer's end
    target: str = ""  # as it stood in the request line


@dataclass
class Answer:
    """One scripted answer: head, first part, perhaps a hold, and one of four endings."""

    body: bytes = b""
    status: int = 200
    media_type: str = "image/png"
    framing: Literal["length", "chunked", "close"] = "length"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0  # seconds before the status line
    before: Hold | None = None  # stands before the status line
    half: int | None = None  # bytes of the first part; half of the body when there is a stop
    hold: Hold | None = None  # stands between the parts
    end: Literal["whole", "fin", "rst", "stall", "silent"] = "whole"
    pace: float = 0.0  # seconds between two pieces
    piece: int = PIECE  # bytes of one piece
    announced: int | None = None  # Content-Length to lie with

    @property
    def first_part(self) -> int:
        """Bytes that are sent before the hold, the cut or the stall."""
        if self.half is not None:
            return self.half
        stops = self.hold is not None or self.end in ("fin", "rst", "stall")
        return len(self.body) // 2 if stops else len(self.body)

    def head(self) -> bytes:
        """The status line and the headers."""
        lines = [f"HTTP/1.1 {self.status} Scripted", f"Content-Type: {self.media_type}"]
        if self.framing == "length":
            length = len(self.body) if self.announced is None else self.announced
            lines.append(f"Content-Length: {length}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append("Connection: close")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join((*lines, "", "")).encode()


Choice = Answer | Callable[[Request], Answer]


class ScriptedServer:
    """Answers each path with its script: the answers in order, the last one for ever.

    `requests` and `counts` tell what was asked, `open` how many connections there are.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.counts: Counter[str] = Counter()
        self.open = 0
        self.port = 0
        self._scripts: dict[str, list[Choice]] = {}
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    def script(self, path: str, *answers: Choice) -> None:
        """Answer `path` from now on so; a path that is not scripted is answered 404."""
        self._scripts[path] = list(answers)

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=2048, limit=256 * 1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        if self._server is None:
            return
        self._server.close()
        serving = dict(self._serving)
        for writer in serving.values():
            writer.transport.abort()  # whoever stands at a hold, stalls or writes is told by this
        if serving:
            await asyncio.wait(serving, timeout=PATIENCE)
        self._server = None

    def choose(self, request: Request) -> Answer:
        """The answer that the script has for this request."""
        script = self._scripts.get(request.path)
        if not script:
            return Answer(b"nothing here", status=404, media_type="text/plain")
        choice = script.pop(0) if len(script) > 1 else script[0]
        return choice if isinstance(choice, Answer) else choice(request)

    def note(self, request: Request) -> None:
        """Remember what was asked."""
        self.requests.append(request)
        self.counts[request.path] += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        self.open += 1
        writer.transport.set_write_buffer_limits(high=0)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while (request := await _read_request(reader)) is not None:
                    self.note(request)
                    if not await _play(self.choose(request), request, reader, writer):
                        break
        finally:
            self.open -= 1
            del self._serving[task]
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await _read_body(reader, headers)
    parts = urlsplit(target)
    return Request(
        method=method,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        size=len(body),
        digest=hashlib.sha256(body).hexdigest(),
        at=asyncio.get_running_loop().time(),
        target=target,
    )


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return bytes(body)


async def _play(
    answer: Answer, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Send one answer; returns whether the connection may carry another."""
    try:
        await asyncio.sleep(answer.delay)
        if answer.before is not None:
            await answer.before.stand(reader)
        if answer.end == "silent":
            return False
        writer.write(answer.head())
        await _send(answer, request, writer, answer.body[: answer.first_part])
        if answer.hold is not None:
            await answer.hold.stand(reader)
        if answer.end != "whole":
            await _break_off(answer, reader, writer)
            return False
        await _send(answer, request, writer, answer.body[answer.first_part :])
        if answer.framing == "chunked":
            writer.write(b"0\r\n\r\n")
        await writer.drain()
    except ConnectionError:
        request.left = True
        raise
    return answer.framing != "close"


async def _send(
    answer: Answer, request: Request, writer: asyncio.StreamWriter, part: bytes
) -> None:
    for start in range(0, len(part), answer.piece):
        piece = part[start : start + answer.piece]
        if answer.framing == "chunked":
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            writer.write(piece)
        await writer.drain()
        request.sent += len(piece)
        if answer.pace:
            await asyncio.sleep(answer.pace)


async def _break_off(
    answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await writer.drain()
    if answer.end == "stall":
        await reader.read(1)  # until the peer gives up
    elif answer.end == "rst":
        await asyncio.sleep(0.05)  # the peer has taken what was sent before the reset arrives
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
