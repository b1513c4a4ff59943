"""`python -m services start|stop|restart|status|logs|build|purge [NAME...]`."""

import argparse
import shutil
import sys

from services import running
from services.building import built
from services.place import Place, ServiceError
from services.servers import SERVERS, TOOLS

DEFAULT = [name for name, server in SERVERS.items() if not server.on_demand]


def main() -> int:
    """0 when all that was asked is so; `status` says 3 when a server does not answer."""
    parser = argparse.ArgumentParser(prog="services", description="Servers to test against.")
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SERVERS))
    asked = parser.parse_args()
    known = SERVERS.keys() | (TOOLS.keys() if asked.command == "build" else set())
    unknown = set(asked.names) - known
    if unknown:
        parser.error(
            f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    names = asked.names or (DEFAULT if asked.command in ("start", "build") else list(SERVERS))
    try:
        return COMMANDS[asked.command](Place.default(), names)
    except ServiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _start(place: Place, names: list[str]) -> int:
    with place.locked():
        try:
            for name in names:
                running.start(place, name)
        finally:
            running.write_env(place)
    print(f"addresses: . {place.env}")
    return 0


def _stop(place: Place, names: list[str]) -> int:
    with place.locked():
        for name in names:
            running.stop(place, name)
        running.write_env(place)
    return 0


def _restart(place: Place, names: list[str]) -> int:
    ran = [name for name in names if running.pid_of(place, name) is not None]
    _stop(place, ran)
    return _start(place, ran)


def _status(place: Place, names: list[str]) -> int:
    answering = [running.status(place, name) for name in names]
    return 0 if all(answering) else 3


def _logs(place: Place, names: list[str]) -> int:
    for name in names:
        if place.log(name).exists():
            print(f"== {place.log(name)}")
            sys.stdout.write(place.log(name).read_text(errors="replace"))
    return 0


def _build(place: Place, names: list[str]) -> int:
    with place.locked():
        for name in names:
            built(place, name, SERVERS[name].program if name in SERVERS else TOOLS[name])
        running.write_env(place)
    return 0


def _purge(place: Place, names: list[str]) -> int:
    _stop(place, names)
    for name in names:
        shutil.rmtree(place.data(name), ignore_errors=True)
    return 0


COMMANDS = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "status": _status,
    "logs": _logs,
    "build": _build,
    "purge": _purge,
}

if __name__ == "__main__":
    sys.exit(main())
