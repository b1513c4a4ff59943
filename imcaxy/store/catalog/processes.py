"""Whether a process on this very machine has ended, told without any file (Linux; proc(5))."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process for ever: no later one has the same four."""

    boot: str  # of the kernel: two machines, or one before and after a restart, differ
    namespace: str  # in which the pid counts; two containers differ
    pid: int
    started: int  # clock ticks since boot

    def to_document(self) -> dict[str, Any]:
        """As plain values, to be kept."""
        return asdict(self)


def this_process(proc: Path = _PROC) -> Process | None:
    """The caller's; None where the system does not tell."""
    try:
        boot, namespace = _here(proc)
        started = _started(proc, os.getpid())
    except (OSError, ValueError, IndexError):
        return None
    return None if started is None else Process(boot, namespace, os.getpid(), started)


def has_ended(document: dict[str, Any], proc: Path = _PROC) -> bool:
    """True only when that process certainly runs no more; False when it may, or is elsewhere."""
    try:
        that = Process(**document)
        if (that.boot, that.namespace) != _here(proc):
            return False
        return _started(proc, that.pid) != that.started
    except (OSError, ValueError, IndexError, TypeError):
        return False


def _here(proc: Path) -> tuple[str, str]:
    boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    return boot, str((proc / "self/ns/pid").readlink())


def _started(proc: Path, pid: int) -> int | None:
    """When that process started; None when there is none, or only its remains (a zombie)."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name and may hold anything: count after its last `)`.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
