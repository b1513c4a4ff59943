"""The worker processes of a server, as the kernel and the catalog see them."""

import contextlib
from collections import Counter
from pathlib import Path

from tests.e2e.server import Server
from tests.e2e.shelf import SharedShelf
from tests.faults import processes


class Crew:
    """Who works for a server that was started with several workers."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._data = server.directory.resolve() / "data"

    @property
    def pids(self) -> set[int]:
        """Workers that are alive, those that start and those that drain too."""
        return set(processes.children(self._server.process.pid))

    def serving(self) -> Counter[int]:
        """Clients' connections by the worker that has accepted them."""
        return Counter(self.behind().values())

    def behind(self) -> dict[int, int]:
        """The worker that has accepted each connection, by the client's port."""
        ports = {int(row[9]): int(row[2].partition(":")[2], 16) for row in self._rows()}
        return {ports[inode]: pid for pid in self.pids for inode in _sockets(pid) & ports.keys()}

    def unread(self) -> int:
        """Bytes that clients have sent and no worker has read."""
        return sum(int(row[4].partition(":")[2], 16) for row in self._rows())

    def owners(self) -> list[int]:
        """Workers that have a running job, by their claims."""
        owners = self._server.shelf.owners()
        if isinstance(self._server.shelf, SharedShelf):
            pids = self._server.shelf.pids()
            return [pids[by] for by in owners if pids[by] in self.pids]
        locks = {str(self._data / "instances" / by) for by in owners}
        return [pid for pid in self.pids if locks & set(_open(pid))]

    def _rows(self) -> list[list[str]]:
        """The kernel's rows of established connections on the server's side."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        here = f":{self._server.port:04X}"
        rows = (line.split() for line in lines)
        return [row for row in rows if row[1].endswith(here) and row[3] == "01"]


def _open(pid: int) -> list[str]:
    """What the open files of a process are."""
    found = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(str(path.readlink()))
    return found


def _sockets(pid: int) -> set[int]:
    return {int(name[8:-1]) for name in _open(pid) if name.startswith("socket:[")}
