"""What the operating system tells: the memory that this process may take, and its name."""

import os
import socket
from pathlib import Path

_GROUPS = (  # of cgroups, by version: where their limits are, and the file that tells it
    ("0::", "/sys/fs/cgroup{}/memory.max"),
    (":memory:", "/sys/fs/cgroup/memory{}/memory.limit_in_bytes"),
)


def memory_of_machine(root: Path = Path("/")) -> int:
    """Bytes: those that are built in, or fewer where a cgroup of this process says so."""
    least = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return least
    for line in lines:
        for marker, form in _GROUPS:
            head, found, path = line.partition(marker)
            if found and (not head or head.isdigit()):
                # In a container, the cgroup's own files often stand at the top.
                limits = [_limit(root / form.format(each)[1:]) for each in (path.rstrip("/"), "")]
                least = min([least, *(limit for limit in limits if limit)])
    return least


def process_name(machine: str) -> str:
    """The name of this process to operators; the host's name stands for an empty one."""
    return f"{machine or socket.gethostname()}/{os.getpid()}"


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # or "max"
