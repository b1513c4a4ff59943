"""One child process as the server sees it: started, asked, read from with suspicion, ended."""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imcaxy.errors import (
    ImcaxyError,
    ProcessingError,
    ProcessorCrashed,
    ProcessorFailed,
    ProcessorUnavailable,
    RequestError,
    SourceTooLarge,
    SourceUnsupported,
)
from imcaxy.grammar.variant import CHUNK
from imcaxy.processors.vips import frames

_PIPE_BYTES = 512 * 1024  # read ahead from a child before its pipe is left to fill
_WRITE_BYTES = 256 * 1024  # handed to the pipe before waiting for the child to take it
_END_TIMEOUT = 5.0  # seconds; a killed process that stays longer hangs in the kernel
_INHERITED = ("LD_LIBRARY_PATH", "LD_PRELOAD")  # where the decoders and the allocator come from
_MAX_TOLD = 500  # characters of a child's sentence that are believed
_ROOT = Path(__file__).resolve().parents[3]
# What a child may say of a request; anything else from it is a fault of the child.
_TOLD = (RequestError, ProcessingError, SourceTooLarge, SourceUnsupported)


@dataclass(frozen=True, slots=True)
class Program:
    """How children are started."""

    memory: int  # bytes of address space
    niceness: int = 5
    start_timeout: float = 15.0  # seconds from start to hello
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "imcaxy.processors.vips.child")

    def arguments(self) -> tuple[str, ...]:
        """The command line."""
        return (*self.command, str(os.getpid()), str(self.memory), str(self.niceness))

    def environment(self) -> dict[str, str]:
        """All that a child inherits: settings that count only when set before it starts."""
        return {
            "PYTHONPATH": str(_ROOT),
            "VIPS_CONCURRENCY": "1",  # parallel over pictures, not inside one
            "VIPS_BLOCK_UNTRUSTED": "1",  # no loader that libvips itself does not trust
            "VIPS_WARNING": "0",  # any value silences warnings about damaged sources
            "VIPS_DISC_THRESHOLD": str(self.memory),  # never spill pixels to a file
            "MALLOC_ARENA_MAX": "1",  # each more sets 64 MiB of the granted addresses aside
            "MALLOC_TRIM_THRESHOLD_": "131072",
            "MALLOC_MMAP_THRESHOLD_": "65536",
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        }


@dataclass(frozen=True, slots=True)
class Hello:
    """What a child said of itself when it started."""

    libvips: str  # version
    api: bool  # pyvips' fast binding mode
    formats: frozenset[str]  # that it can write


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole picture, in pieces of at most CHUNK bytes."""

    media_type: str
    length: int  # bytes
    pieces: deque[bytes]


class Child:
    """A process that makes one picture at a time.

    `clean` is true while it waits for a request. One that is not clean when its user leaves may be
    in the middle of anything, or has run out of memory: it is killed, never asked again.
    """

    def __init__(self, process: asyncio.subprocess.Process, hello: Hello) -> None:
        self._process = process
        self.hello = hello
        self.clean = True
        self.jobs = 0  # asked so far
        self._holds: str | None = None  # the burst whose pixels it has

    @classmethod
    async def start(cls, program: Program) -> Self:
        """A new child that has said hello; ProcessorUnavailable when it dies or takes too long."""
        try:
            process = await asyncio.create_subprocess_exec(
                *program.arguments(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=program.environment(),
                start_new_session=True,  # a terminal's Ctrl-C is the server's to handle
                limit=_PIPE_BYTES,
            )
        except OSError as error:
            raise ProcessorUnavailable from error
        child = cls(process, Hello("", False, frozenset()))
        child.clean = False
        try:
            async with asyncio.timeout(program.start_timeout):
                child.hello = _hello(await child._read_header())
                child.clean = True
        except (TimeoutError, frames.FrameError, EOFError, OSError) as error:
            raise ProcessorUnavailable(retry_after=5) from error
        finally:
            if not child.clean:
                await child.end()
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether, as far as is known here, the process still runs."""
        return self._process.returncode is None and not self._stdout.at_eof()

    async def ask(
        self,
        request: Mapping[str, object],
        bodies: Sequence[bytes],
        most: int,
        burst: str | None = None,
    ) -> Answer:
        """The answer to one request, whole; the pixels of a `burst` are held until `forget`.

        Raises what the child found wrong, ProcessorCrashed when it died, and ProcessorFailed when
        it talked nonsense or announced more than `most` bytes (none of which is then read).
        """
        self.clean = False
        self.jobs += 1
        if burst is not None:
            request = {**request, frames.KEEP: True}
            bodies = () if self._holds == burst else bodies
        try:
            await self._send({**request, "id": self.jobs}, bodies)
            header = await self._read_header()
            media_type, length = self._judge(header, most)
            pieces = await self._read_body(length)
        except frames.FrameError as error:
            raise ProcessorFailed from error
        except (EOFError, OSError) as error:
            raise ProcessorCrashed from error
        finally:
            self._holds = burst
        self.clean = True
        return Answer(media_type, length, pieces)

    def forget(self) -> None:
        """Have it let go of the pixels that it holds, soon."""
        if self._holds is not None and self._process.stdin is not None:
            self._holds = None
            self._process.stdin.write(frames.pack_header({frames.FORGET: True}, ()))

    async def end(self) -> bool:
        """Kill it, whatever it is doing, and wait; False if it was still there after 5 seconds."""
        self.clean = False
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            async with asyncio.timeout(_END_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    @property
    def _stdout(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        return self._process.stdout

    async def _send(self, request: Mapping[str, object], bodies: Sequence[bytes]) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        stdin.write(frames.pack_header(request, bodies))
        for body in bodies:
            view = memoryview(body)
            for start in range(0, len(view), _WRITE_BYTES):
                stdin.write(view[start : start + _WRITE_BYTES])
                await stdin.drain()
        await stdin.drain()

    async def _read_header(self) -> dict[str, object]:
        prefix = await self._stdout.readexactly(frames.LENGTH_BYTES)
        return frames.parse_header(await self._stdout.readexactly(frames.header_length(prefix)))

    async def _read_body(self, length: int) -> deque[bytes]:
        pieces: deque[bytes] = deque()
        for start in range(0, length, CHUNK):
            pieces.append(await self._stdout.readexactly(min(length - start, CHUNK)))
        return pieces

    def _judge(self, header: Mapping[str, object], most: int) -> tuple[str, int]:
        """The media type and length that an answer announces; raises the error that it carries."""
        if header.get("id") != self.jobs:
            raise frames.FrameError("an answer to something else")
        lengths = frames.body_lengths(header, most)
        record = header.get("error")
        if record is not None and not lengths:
            told = _told(record)
            # Where memory ran out once, what decoders left behind can cost the next request.
            self.clean = not header.get("spent")
            raise told
        media_type = header.get("type")
        if not isinstance(media_type, str) or len(lengths) != 1 or not lengths[0]:
            raise frames.FrameError("neither a picture nor an error")
        return media_type, lengths[0]


def _told(record: object) -> ImcaxyError:
    """The error that a child reports. Raises FrameError when it is not the child's to report."""
    if not isinstance(record, dict):
        raise frames.FrameError("not an error")
    texts = {
        name: str(record[name])[:_MAX_TOLD]
        for name in ("kind", "detail", "value", "accepted")
        if record.get(name) is not None
    }
    error = ImcaxyError.from_record({**texts})
    if not isinstance(error, _TOLD):
        raise frames.FrameError("an error of its own")
    return error


def _hello(header: Mapping[str, object]) -> Hello:
    formats, libvips = header.get("formats"), header.get("libvips")
    if header.get("hello") != 1 or not isinstance(formats, list) or not isinstance(libvips, str):
        raise frames.FrameError("no hello")
    return Hello(libvips, bool(header.get("api")), frozenset(map(str, formats)))
