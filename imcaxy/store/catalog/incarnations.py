"""Which server processes of this machine still run: one locked file each."""

import fcntl
import os
import re
from collections.abc import Container
from pathlib import Path

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)
_GRACE = 60.0  # seconds; between making a file and locking it no process is paused that long


class Incarnations:
    """An exclusive flock per incarnation, which the kernel drops when the process dies.

    The lock belongs to the open file, so a fork would share it: hold after forking. Programs that
    are started do not inherit it (O_CLOEXEC). Raises OSError.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._held: dict[str, int] = {}

    def hold(self, incarnation: str) -> None:
        """Lock the incarnation's file until `close`; again does nothing."""
        if incarnation in self._held:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path(incarnation), flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        self._held[incarnation] = descriptor

    def is_gone(self, incarnation: str) -> bool:
        """Whether no process holds the file: it is free, or not there."""
        return incarnation not in self._held and _is_free(self._path(incarnation))

    def remove(self, incarnation: str) -> None:
        """Remove the file; one that is not there is no error."""
        self._path(incarnation).unlink(missing_ok=True)

    def tidy(self, known: Container[str]) -> int:
        """Remove files of dead processes that have no row; how many there were."""
        removed = 0
        for path in self._directory.iterdir():
            try:
                age = self._clock.wall() - path.stat().st_mtime
            except FileNotFoundError:
                continue
            if path.name not in known and age > _GRACE and _is_free(path):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def close(self) -> None:
        """Let go of every lock: whoever looks finds these incarnations gone."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _path(self, incarnation: str) -> Path:
        if not _NAME.fullmatch(incarnation):
            raise CatalogError(
                "An incarnation's name cannot be used.", value=incarnation, accepted=_NAME.pattern
            )
        return self._directory / incarnation


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        # Shared, so that two who look at once do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
