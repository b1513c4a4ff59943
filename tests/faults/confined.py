"""A memory cgroup for one server: the kernel kills what takes more than it grants."""

import os
import time
from pathlib import Path
from typing import Self

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class Confined:
    """`launcher` starts a program in it; `kills` and `peak` are the kernel's figures."""

    def __init__(self, limit: int) -> None:
        """Raises OSError where no cgroup can be made."""
        self._old = (_V1 / "memory.limit_in_bytes").exists()
        self._path = (_V1 if self._old else _V2) / f"imcaxy-{os.getpid()}"
        if not self._old:
            (_V2 / "cgroup.subtree_control").write_text("+memory")
        self._path.mkdir()
        if self._old:
            self._write("memory.limit_in_bytes", limit)
            self._write("memory.swappiness", 0)
        else:
            self._write("memory.max", limit)
            self._write("memory.swap.max", 0)

    @property
    def launcher(self) -> tuple[str, ...]:
        """A command that moves itself into the group and becomes the one behind it."""
        return "sh", "-c", f'echo $$ > {self._path}/cgroup.procs && exec "$@"', "sh"

    @property
    def kills(self) -> int:
        """Processes that the kernel killed for want of memory."""
        name = "memory.oom_control" if self._old else "memory.events"
        lines = (self._path / name).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    @property
    def peak(self) -> int:
        """The most bytes that it ever held, pages of files among them."""
        name = "memory.max_usage_in_bytes" if self._old else "memory.peak"
        return int((self._path / name).read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for _attempt in range(100):  # until the last process of it is gone
            try:
                self._path.rmdir()
            except OSError:
                time.sleep(0.05)
            else:
                return

    def _write(self, name: str, value: int) -> None:
        (self._path / name).write_text(str(value))
