"""The program that decodes: one request frame in, one answer frame out, until its input ends.

Its arguments are its parent's process id, bytes of address space, and niceness. It takes limits on
itself before it loads a decoder, and is handed no secret and no open socket. It is not a sandbox:
it runs as the server's user and may do what that user may. A frame that it cannot read ends it.
"""

import ctypes
import fcntl
import gc
import os
import resource
import signal
import sys
import time
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

from imcaxy.errors import ImcaxyError, InternalError, VariantTooLarge
from imcaxy.processors.vips import frames

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_NO_NEW_PRIVS = 38
_PIPE_BYTES = 1024 * 1024
# Bytes that one picture may leave behind for the next: given back, they would be zeroed again.
_ROOM = 16 * 1024 * 1024
_TRIES = 10  # times that a session is asked to be nice
_PAUSE = 0.12  # seconds between two of them
_MAX_BODIES_BYTES = 1 << 30  # the server has judged the originals; this only catches nonsense


def main() -> int:
    """Work until standard input ends; 0 then, 2 when what came in was not a frame."""
    parent, memory, niceness = (int(text) for text in sys.argv[1:4])
    _confine(parent, memory, niceness)
    source, sink = _claim_pipes()
    from imcaxy.processors.vips import operations  # noqa: PLC0415 - the decoders come after limits

    _write(sink, _hello(), b"")
    gc.freeze()
    room = _Room()
    held = None
    while True:
        try:
            request = _read(source, room)
            if request is None:
                return 0
            held = _held(operations, *request, held)
        except frames.FrameError:
            return 2
        if not request[0].get(frames.FORGET):
            answer, body = _answer(operations, *request, held)
            _write(sink, answer, body)
            del answer, body
        del request
        if held is None:
            room.keep()


class _Room:
    """Memory that one picture may leave behind for the next: given back, it is zeroed again."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._file = os.open("/proc/self/statm", os.O_RDONLY)
        self._page = resource.getpagesize()
        self._most = self._resident() + _ROOM

    def keep(self, coming: int = 0) -> None:
        """Give it back where it is too much, beside the bytes of a source that is coming.

        They count twice, as the server holds them too. After a large one, which takes long, the
        giving back is not felt.
        """
        if self._resident() + 2 * coming > self._most:
            gc.collect()
            self._libc.malloc_trim(0)

    def _resident(self) -> int:
        """Bytes in memory, as proc(5) tells them."""
        return int(os.pread(self._file, 100, 0).split()[1]) * self._page


def _confine(parent: int, memory: int, niceness: int) -> None:
    """Die with the parent, give way to it, and never take more than was granted."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(0)
    _give_way(niceness)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _give_way(niceness: int) -> None:
    """Take less of a busy processor than the server does, which has hits to answer.

    Where the kernel divides its time among sessions first (sched(7), autogrouping), niceness counts
    for nothing to a child that has a session of its own: the session has to be as nice.
    """
    os.nice(niceness)
    if os.getsid(0) != os.getpid():  # somebody else's session
        return
    for _ in range(_TRIES):
        try:
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
        except BlockingIOError:  # one change in a tenth of a second, for the whole machine
            time.sleep(_PAUSE)
        except OSError:  # a kernel without it
            return
        else:
            return


def _claim_pipes() -> tuple[BufferedReader, BufferedWriter]:
    """The two pipes, out of reach of anything that prints or reads by habit."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    for pipe in (source, sink):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            continue  # not a pipe, or over the user's share of pipe memory: slower, not wrong
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _hello() -> dict[str, object]:
    import pyvips  # noqa: PLC0415 - after limits

    from imcaxy.processors.vips import encoding  # noqa: PLC0415 - after limits

    pyvips.cache_set_max(0)
    pyvips.cache_set_max_mem(0)
    pyvips.cache_set_max_files(0)
    return {
        "hello": 1,
        "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
        "api": bool(pyvips.API_mode),
        "formats": list(encoding.written_formats()),
    }


def _answer(
    operations: Any, header: dict[str, object], bodies: list[bytes], held: Any
) -> tuple[dict[str, object], bytes]:
    """The answer to one request; an error is an answer too."""
    try:
        made = _make(operations, header, bodies, held)
    except ImcaxyError as error:
        return {"id": header.get("id"), "error": error.to_record()}, b""
    except MemoryError:
        refusal = VariantTooLarge("Making the picture takes more memory than is allowed.")
        return {"id": header.get("id"), "error": refusal.to_record(), "spent": True}, b""
    except Exception as error:  # whatever it was, the next request may be fine
        sys.stderr.write(f"imcaxy picture maker: {error!r}\n")
        return {"id": header.get("id"), "error": InternalError().to_record()}, b""
    return {"id": header.get("id"), "type": made.media_type}, made.body


def _make(operations: Any, header: dict[str, Any], bodies: list[bytes], held: Any) -> Any:
    formats = header["formats"]
    originals = (
        [held.source]
        if held
        else [operations.Encoded(body, name) for body, name in zip(bodies, formats, strict=True)]
    )
    limits = operations.Limits(header["pixels"], header["bytes"])
    steps = [operations.Step(*step) for step in header["steps"]]
    return operations.make(steps, originals, limits, held)


def _held(operations: Any, header: dict[str, Any], bodies: list[bytes], before: Any) -> Any:
    """The source that is kept from this request on; None when nothing is. Raises FrameError."""
    if not header.get(frames.KEEP):
        return None
    if not bodies and before is None:
        raise frames.FrameError("nothing is held")
    if not bodies:
        return before
    try:
        return operations.HeldSource(operations.Encoded(bodies[0], header["formats"][0]))
    except (LookupError, TypeError):
        raise frames.FrameError("a source without a format") from None


def _read(source: BufferedReader, room: _Room) -> tuple[dict[str, object], list[bytes]] | None:
    """The next request, or None at the end of input. Raises FrameError."""
    if not source.peek(1):
        return None
    prefix = _exactly(source, frames.LENGTH_BYTES)
    header = frames.parse_header(_exactly(source, frames.header_length(prefix)))
    lengths = frames.body_lengths(header, _MAX_BODIES_BYTES)
    if lengths:
        room.keep(sum(lengths))
    return header, [_exactly(source, length) for length in lengths]


def _exactly(source: BufferedReader, length: int) -> bytes:
    data = source.read(length)
    if len(data) != length:
        raise frames.FrameError("the frame ends early")
    return data


def _write(sink: BufferedWriter, header: dict[str, object], body: bytes) -> None:
    bodies = [body] if body else []
    sink.write(frames.pack_header(header, bodies))
    sink.write(body)
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
