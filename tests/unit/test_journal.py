import json
import logging
import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from imcaxy import journal as module
from imcaxy.journal import Journal, JournalHandler


def read_all(descriptor: int) -> list[dict[str, object]]:
    with os.fdopen(descriptor, "rb") as stream:
        return [json.loads(line) for line in stream]


def eventually(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError(condition)


def test_lines_are_written_in_order_and_before_close_returns() -> None:
    reading, writing = os.pipe()
    journal = Journal(writing)
    for number in range(100):
        journal.emit(b'{"n":%d}\n' % number)
    journal.close()
    os.close(writing)
    assert [line["n"] for line in read_all(reading)] == list(range(100))


def test_lines_past_the_bound_are_dropped_and_counted() -> None:
    reading, writing = os.pipe()
    filler = b'{"x":"%s"}\n' % (b"x" * 1000)
    journal = Journal(writing)
    for _ in range(module.LINES + 1000):
        journal.emit(filler)
    assert journal._dropped > 0
    drained = bytearray()
    while len(drained) < module.LINES * len(filler):
        drained += os.read(reading, 1 << 20)
    journal.emit(b"{}\n")
    journal.close()
    os.close(writing)
    os.close(reading)


def test_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    journal = Journal(writing)
    journal.emit(b"{}\n")
    journal.close()
    journal.emit(b"{}\n")
    os.close(writing)


def test_lines_that_the_disk_refused_are_counted_once_it_takes_lines_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = Journal(descriptor)
    journal.emit(b'{"n":1}\n')
    eventually(lambda: path.stat().st_size == 8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))  # of this process; nothing else writes
    try:
        for number in (2, 3):
            journal.emit(b'{"n":%d}\n' % number)
        eventually(lambda: journal._dropped == 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.emit(b'{"n":4}\n')
    journal.close()
    os.close(descriptor)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"n": 1}, {"n": 4}, {"dropped": 2}]


def test_record_becomes_a_line_with_its_fields_and_traceback() -> None:
    reading, writing = os.pipe()
    journal = Journal(writing)
    logger = logging.Logger("imcaxy.test")  # noqa: LOG001 - one that nobody else configures
    logger.addHandler(JournalHandler(journal))
    try:
        raise ValueError("why")  # noqa: TRY301 - a traceback is wanted
    except ValueError:
        logger.exception("it failed", extra={"signature": "abc", "path": sys})
    journal.close()
    os.close(writing)
    (line,) = read_all(reading)
    assert line["message"] == "it failed"
    assert line["level"] == "error"
    assert line["signature"] == "abc"
    assert "ValueError: why" in str(line["traceback"])
