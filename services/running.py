"""Processes of servers: started, found again, stopped; never one that is not ours."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

from services.building import built, path_of
from services.place import HOST, Place, ServiceError, listening
from services.servers import COMMON, SERVERS, TOOLS, Start

START = 30.0  # seconds that a server may take until it answers
STOP = 10.0  # seconds that it may take to end; then it is killed
_POLL = 0.03  # seconds
_LOG = 1024 * 1024  # bytes from which a log begins anew
_launched: list["subprocess.Popen[bytes]"] = []  # held, because they are meant to outlive this


def start(place: Place, name: str) -> None:
    """Build the server where that is needed, start it where it does not run, wait till it answers.

    Raises ServiceError, and leaves nothing running, when it ends or does not answer in time.
    """
    server = SERVERS[name]
    if (pid := pid_of(place, name)) is not None:
        print(f"{name}: runs on {HOST}:{place.port(name)} (pid {pid})")
        return
    executable = built(place, name, server.program)
    if listening(place.port(name)):
        place.forget_port(name)
    begin = Start(executable, place.port(name), place.data(name))
    begin.data.mkdir(exist_ok=True)
    began = time.perf_counter()
    process = _launch(place, name, begin)
    while not server.ready(begin.port):
        if process.poll() is not None:
            raise ServiceError(f"{name} ended before it answered:\n{_tail(place.log(name))}")
        if time.perf_counter() - began > START:
            stop(place, name)
            raise ServiceError(f"{name} did not answer in {START:.0f} s:\n{_tail(place.log(name))}")
        time.sleep(_POLL)
    if process.poll() is not None:
        raise ServiceError(f"{name} ended; another process answers on port {begin.port}")
    took = (time.perf_counter() - began) * 1000
    print(f"{name}: answers on {begin.address} after {took:.0f} ms (pid {process.pid})")


def stop(place: Place, name: str) -> None:
    """End the server's process; no error when it does not run."""
    pid = pid_of(place, name)
    if pid is None:
        print(f"{name}: does not run")
    else:
        for number, patience in ((signal.SIGTERM, STOP), (signal.SIGKILL, STOP)):
            os.kill(pid, number)
            if _gone(place, name, patience):
                break
        print(f"{name}: stopped")
    place.run(name).unlink(missing_ok=True)
    _launched[:] = [process for process in _launched if process.poll() is None]


def status(place: Place, name: str) -> bool:
    """Print one line about the server; whether it answers."""
    pid = pid_of(place, name)
    state, where = "stopped", ""
    if pid is not None:
        port = place.port(name)
        state = "answers" if SERVERS[name].ready(port) else "does not answer"
        where = f"{HOST}:{port}  pid {pid}  {_resident(pid)} MiB"
    print(f"{name:<10} {state:<16} {where}".rstrip())
    return state == "answers"


def write_env(place: Place) -> None:
    """Leave the addresses of the servers that run in `.services/env`, as shell variables."""
    told = dict(COMMON)
    for name, server in SERVERS.items():
        if pid_of(place, name) is not None:
            executable = built(place, name, server.program)
            told |= server.told(Start(executable, place.port(name), place.data(name)))
    for name, program in TOOLS.items():
        if (executable := path_of(place, name, program)).exists():
            told[f"SERVICES_{name.upper()}_PROGRAM"] = str(executable)
    lines = [f"export {variable}={shlex.quote(value)}\n" for variable, value in told.items()]
    place.env.write_text("".join(lines))


def pid_of(place: Place, name: str) -> int | None:
    """The server's process, None when it does not run.

    A process counts only with the start time that was noted: ids are used again.
    """
    try:
        pid, born = map(int, place.run(name).read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _born(pid) == born else None


def _launch(place: Place, name: str, begin: Start) -> "subprocess.Popen[bytes]":
    server, path = SERVERS[name], place.log(name)
    if path.exists() and path.stat().st_size > _LOG:
        path.unlink()
    with path.open("ab") as log:
        process = subprocess.Popen(
            [str(begin.executable), *server.command(begin)],
            cwd=begin.data,
            env=os.environ | server.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _launched.append(process)
    place.run(name).write_text(f"{process.pid} {_born(process.pid) or 0}\n")
    return process


def _gone(place: Place, name: str, within: float) -> bool:
    deadline = time.perf_counter() + within
    while pid_of(place, name) is not None:
        if time.perf_counter() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _born(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot, None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # from the third one on; the second may hold spaces
    return None if fields[0] == "Z" else int(fields[19])


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024 // 1024


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:])
