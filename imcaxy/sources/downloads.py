"""Originals shared by everybody who needs the same one at the same time."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from imcaxy.errors import (
    Draining,
    ImcaxyError,
    InternalError,
    SourceRefused,
    SourceTooLarge,
)
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LogPosition
from imcaxy.sources.base import UNKNOWN, Original, SourceReader, Validators
from imcaxy.sources.budget import Budget
from imcaxy.sources.picture_header import read_header
from imcaxy.tasks import Tasks

LARGE = 1024 * 1024  # bytes; longer bodies are hashed in a thread
_log = logging.getLogger("imcaxy.sources")


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What bounds the originals of one process."""

    max_pixels: int  # width times height of one source
    max_frames: int
    max_bytes_held: int  # bytes of all sources being read or held
    max_running: int  # reads at the same time
    max_waiting: int = 256  # reads that wait for one of the two bounds above, each
    wait: float = 10.0  # seconds that they wait


@dataclass(eq=False)
class _Download:
    """One read, and what came of it. Its parties are its task and everybody who holds it."""

    source: Source
    as_of: LogPosition
    keys: frozenset[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    holders: int = 0
    bytes_taken: int = 0
    validators: Validators = UNKNOWN
    outcome: Original | ImcaxyError | None = None


class Downloads:
    """Reads each source once for all who need it at once, within bounds, and checks its header.

    A read belongs to nobody: it goes on as long as anybody waits for it. `keys_of` names the purge
    keys of a source.
    """

    def __init__(
        self,
        readers: Mapping[str, SourceReader],
        limits: DownloadLimits,
        tasks: Tasks,
        keys_of: Callable[[Source], Collection[str]],
    ) -> None:
        self._readers = readers
        self._limits = limits
        self._tasks = tasks
        self._keys_of = keys_of
        self._joinable: dict[Source, _Download] = {}
        waiting, wait = limits.max_waiting, limits.wait
        self._slots = Budget(limits.max_running, waiting=waiting, timeout=wait)
        self._bytes = Budget(limits.max_bytes_held, waiting=waiting, timeout=wait)

    def __len__(self) -> int:
        return len(self._joinable)

    @property
    def bytes_held(self) -> int:
        """Bytes of originals being read or held."""
        return self._bytes.taken

    def hold(self, source: Source, as_of: LogPosition) -> AbstractAsyncContextManager[Original]:
        """The original, read no earlier than `as_of`; kept in memory until the block is left.

        Its own `as_of` may be newer. Raises SourceError, Undecodable, Overloaded (nothing was
        read), Draining. A caller that is cancelled leaves the read to the others; the last one to
        leave ends it.
        """
        return self._hold(source, as_of)

    def apply(self, number: int, keys: Collection[str]) -> None:
        """Let nobody join a download that began before log record `number` of these keys.

        One step of design 6.4 I1. Who joined before it keeps what it has and must judge by I2.
        """
        hit = frozenset(keys)
        for source, download in list(self._joinable.items()):
            if download.as_of.number < number and not download.keys.isdisjoint(hit):
                del self._joinable[source]

    def let_go(self) -> None:
        """Let nobody join a download that has begun: its source may be invalid unseen (6.5)."""
        self._joinable.clear()

    def reset(self, number: int) -> None:
        """Let nobody join a download that has begun: the log is another one (6.2)."""
        self.let_go()

    @asynccontextmanager
    async def _hold(self, source: Source, as_of: LogPosition) -> AsyncIterator[Original]:
        download = self._joinable.get(source)
        if download is None or download.as_of.number < as_of.number:
            download = self._start(source, as_of)
        download.holders += 1
        try:
            await download.ended.wait()
            if isinstance(download.outcome, ImcaxyError):
                raise download.outcome.again()
            if download.outcome is None:  # its task was cancelled while somebody waited
                raise Draining
            yield download.outcome
        finally:
            download.holders -= 1
            if not download.holders:
                self._abandon(download)

    def _start(self, source: Source, as_of: LogPosition) -> _Download:
        download = _Download(source, as_of, frozenset(self._keys_of(source)))
        self._joinable[source] = download
        download.task = self._tasks.start(self._run(download), f"download of {source.kind}")
        # A task that is cancelled before its first step never enters its own `finally`.
        download.task.add_done_callback(lambda _: self._end(download))
        return download

    async def _run(self, download: _Download) -> None:
        try:
            download.outcome = await self._read(download)
        except ImcaxyError as error:
            self._detach(download)  # in this same step: nobody may join a failure
            download.outcome = error.again()  # the raised one's traceback holds the body
        except Exception:
            self._detach(download)
            download.outcome = InternalError()
            _log.exception("a download failed in an unforeseen way")

    async def _read(self, download: _Download) -> Original:
        source = download.source
        reader = self._readers.get(source.kind)
        if reader is None:
            raise SourceRefused("Sources of this kind are turned off.", value=source.kind)

        async def admit(most: int) -> None:
            await self._admit(download, most)

        def note(validators: Validators) -> None:
            download.validators = validators

        await self._slots.take(1)
        try:
            body = await reader.read(source, admit, note)
        finally:
            self._slots.give(1)
        self._resize(download, len(body))
        if len(body) > LARGE:
            return await asyncio.to_thread(self._original, download, body)
        return self._original(download, body)

    async def _admit(self, download: _Download, most: int) -> None:
        if most > self._bytes.limit:
            raise SourceTooLarge(
                "The source may have more bytes than this server holds at a time.",
                value=f"{most} bytes",
                accepted=f"at most {self._bytes.limit} bytes",
            )
        await self._bytes.take(most)
        download.bytes_taken += most

    def _resize(self, download: _Download, size: int) -> None:
        """Give back what was taken for bytes that did not come."""
        self._bytes.give(download.bytes_taken - size)
        download.bytes_taken = size

    def _original(self, download: _Download, body: bytes) -> Original:
        header = read_header(body)
        pixels, frames = header.width * header.height, header.frames
        if pixels > self._limits.max_pixels:
            raise SourceTooLarge(
                "The source has more pixels than allowed.",
                value=f"{header.width}x{header.height} = {pixels} pixels",
                accepted=f"at most {self._limits.max_pixels} pixels",
            )
        if frames > self._limits.max_frames:
            raise SourceTooLarge(
                "The source has more frames than allowed.",
                value=f"{frames} frames",
                accepted=f"at most {self._limits.max_frames} frames",
            )
        return Original(
            source=download.source,
            body=body,
            format=header.format,
            width=header.width,
            height=header.height,
            frames=frames,
            digest=hashlib.sha256(body).hexdigest(),
            as_of=download.as_of,
            validators=download.validators,
            pixel=header.pixel,
            held=header.held,
        )

    def _end(self, download: _Download) -> None:
        download.ended.set()
        if not isinstance(download.outcome, Original):
            self._detach(download)
            self._resize(download, 0)
        if not download.holders:
            self._release(download)

    def _abandon(self, download: _Download) -> None:
        """The last holder left: end the read, or let go of what it brought."""
        self._detach(download)
        if download.ended.is_set():
            self._release(download)
        elif download.task is not None:
            download.task.cancel()  # its end releases

    def _detach(self, download: _Download) -> None:
        if self._joinable.get(download.source) is download:
            del self._joinable[download.source]

    def _release(self, download: _Download) -> None:
        self._resize(download, 0)
        download.outcome = None
