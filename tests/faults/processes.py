"""What the kernel says of a process and its children."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Processes that it has started and that are not gone."""
    found: list[int] = []
    try:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, path.read_text().split())
    except OSError:
        return []
    return [child for child in found if alive(child)]


def tree(pid: int) -> list[int]:
    """The process and all that came of it."""
    return [pid, *(each for child in children(pid) for each in tree(child))]


def alive(pid: int) -> bool:
    """Whether it is there and more than a zombie."""
    return _status(pid).get("State", "Z")[0] not in "ZX"


def proportional(pid: int) -> int:
    """Bytes in memory, shared pages counted by their share (PSS); 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def resident(pid: int) -> int:
    """Bytes in memory, shared pages counted in full (RSS)."""
    return _bytes(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most that `resident` ever was."""
    return _bytes(pid, "VmHWM")


def cpu(pid: int) -> float:
    """Seconds of processor time that it has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _bytes(pid: int, name: str) -> int:
    return int(_status(pid).get(name, "0 kB").split()[0]) * 1024


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
