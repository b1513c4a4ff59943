"""The settings, read by a process that ends with it.

What reads and validates them takes 10 MiB, a fifth of what a server that waits has in memory, and
is needed once.
"""

import contextlib
import os
import pickle
import threading
from collections.abc import Callable
from typing import NoReturn

from imcaxy.settings import Settings


def load_apart(meanwhile: Callable[[], object], **flags: object) -> Settings:
    """The same as `load`, which also raises what is wrong with the settings.

    `meanwhile` is called while the other process reads; not when they are read here, because this
    process has other threads.
    """
    alone = threading.active_count() == 1  # a fork has one thread, whatever the others held
    told = _told(meanwhile, flags) if alone else b""
    if not told:  # a mistake, or nobody there: it is found here and now
        from imcaxy.settings_reading import load  # noqa: PLC0415 - what this file is to avoid

        return load(**flags)
    settings: Settings = pickle.loads(told)  # noqa: S301 - from this program, by its own pipe
    return settings


def _told(meanwhile: Callable[[], object], flags: dict[str, object]) -> bytes:
    """What the other process says; nothing when it could not."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        _tell(writer, flags)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            meanwhile()
            told = pipe.read()
    finally:
        _, status = os.waitpid(process, 0)
    return told if status == 0 else b""


def _tell(writer: int, flags: dict[str, object]) -> NoReturn:
    status = 1
    with contextlib.suppress(BaseException):
        from imcaxy.settings_reading import load  # noqa: PLC0415 - in this process

        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(load(**flags), pipe)
        status = 0
    os._exit(status)  # nothing of the parent's is flushed or closed a second time
