"""The settings, read by a process that ends with it.

What reads and validates them takes 10 MiB, a fifth of what a server that waits has in memory, and
is needed once.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn, cast

from imcaxy.machine import process_name

if TYPE_CHECKING:
    from imcaxy.settings import Settings

_DERIVED = ("running", "tokens")  # that follow from other settings


def load_apart(meanwhile: Callable[[], object], **flags: object) -> "Settings":
    """The same values as those of `settings.load`, which also raises what is wrong with them.

    `meanwhile` is called while the other process reads.
    """
    alone = threading.active_count() == 1  # a fork has one thread, whatever the others held
    text = _told(meanwhile, flags) if alone else b""
    if not text:  # a mistake, or nobody there: it is found here and now
        from imcaxy.settings import load  # noqa: PLC0415 - what this file is to avoid

        return load(**flags)
    values = {name: _value(plain) for name, plain in json.loads(text).items()}
    return cast("Settings", _Read(**values))


class Secret:
    """A text that is not shown by accident."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """The text."""
        return self._text


class _Read(SimpleNamespace):
    """Settings without their rules."""

    instance: str

    @property
    def instance_name(self) -> str:
        return process_name(self.instance)


def _told(meanwhile: Callable[[], object], flags: dict[str, object]) -> bytes:
    """What the other process says; nothing when it could not."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        _tell(writer, flags)
    os.close(writer)
    meanwhile()
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(process, 0)
    return text if status == 0 else b""


def _tell(writer: int, flags: dict[str, object]) -> NoReturn:
    status = 1
    with contextlib.suppress(BaseException):
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(_text(flags))
        status = 0
    os._exit(status)  # nothing of the parent's is flushed or closed a second time


def _text(flags: dict[str, object]) -> bytes:
    from imcaxy.settings import Settings, load  # noqa: PLC0415 - in this process

    settings = load(**flags)
    values = {name: getattr(settings, name) for name in (*Settings.model_fields, *_DERIVED)}
    return json.dumps(values, default=_plain).encode()


def _plain(value: object) -> dict[str, str]:
    if isinstance(value, os.PathLike):
        return {"path": os.fspath(value)}
    return {"secret": value.get_secret_value()}  # type: ignore[attr-defined] # there are no others


def _value(plain: object) -> object:
    match plain:
        case list():
            return tuple(plain)
        case {"path": str(path)}:
            return Path(path)
        case {"secret": str(text)}:
            return Secret(text)
        case _:
            return plain
