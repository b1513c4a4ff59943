"""Log lines that leave the process without ever holding up the event loop."""

import logging
import os
import threading
from collections import deque

import orjson

LINES = 10_000  # lines that wait for a slow reader; more are dropped and counted
_BATCH = 2048  # lines in one write
_GATHER = 0.02  # seconds after a write in which lines gather for the next one

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Journal:
    """Writes lines to a file descriptor from a thread of its own.

    A reader that is slow costs lines, never requests: past LINES waiting ones new lines are
    dropped. What cannot be written, on a full disk say, is dropped too. The first line that can be
    written again says how many were.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    def emit(self, line: bytes) -> None:
        """Queue a line that ends with a newline."""
        if len(self._lines) >= LINES:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most `timeout` seconds."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)

    def _write_all(self) -> None:
        while not self._closing.is_set() or self._lines:
            self._wake.wait()
            while self._lines:
                lines = [self._lines.popleft() for _ in range(min(_BATCH, len(self._lines)))]
                dropped, self._dropped = self._dropped, 0
                told = [orjson.dumps({"dropped": dropped}) + b"\n"] if dropped else []
                try:
                    _write(self._descriptor, b"".join(lines + told))
                except BrokenPipeError:
                    return  # nobody reads any more: the server goes on without a log
                except OSError:
                    self._dropped += dropped + len(lines)
                self._closing.wait(_GATHER)
            self._wake.clear()
            if self._lines or self._closing.is_set():  # came before `emit` could see it cleared
                self._wake.set()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class JournalHandler(logging.Handler):
    """Sends the program's own messages to a journal, as JSON with constant text and fields."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.INFO)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record as one line."""
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._journal.emit(orjson.dumps(line, default=str) + b"\n")
