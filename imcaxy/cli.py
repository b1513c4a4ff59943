"""The `imcaxy` command. Thin: each command imports what it needs when it runs."""

import argparse
import os
import sys
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from imcaxy import __version__
from imcaxy.console.commands import add_commands
from imcaxy.errors import ImcaxyError, RequestError, SettingsError, SourceError

if TYPE_CHECKING:
    import socket

    from imcaxy.settings import Settings

T = TypeVar("T")

FLAGS = ("host", "port", "workers", "dev")
HEALTH_TIMEOUT = 4.0  # seconds; less than whoever runs the health check waits
HEALTH_ANSWER = 4096  # bytes that are read of it
RED, PLAIN = "\x1b[1;31m", "\x1b[0m"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 something does not work, 2 a mistake in arguments or settings.

    3 is `purge`'s: not confirmed by every instance.
    """
    given = sys.argv[1:] if arguments is None else arguments
    asked = (_worker_parser() if given[:1] == ["worker"] else _parser()).parse_args(given)
    try:
        return int(asked.run(asked))
    except SettingsError as error:
        _say(f"imcaxy: the settings cannot work (docs/settings.md):\n{error}")
        return 2
    except (RequestError, SourceError) as error:
        accepted = f" Accepted is {error.accepted}." if error.accepted else ""
        _say(f"imcaxy: {error.detail}{f' [{error.value}]' if error.value else ''}{accepted}")
        return 2
    except ImcaxyError as error:
        _say(f"imcaxy: {error.detail}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output left: no traceback, also not at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imcaxy",
        description="A caching reverse proxy for image processing.",
        epilog="Everything else is set by IMCAXY_* variables: see `imcaxy settings`.",
    )
    parser.add_argument("--version", action="version", version=f"imcaxy {__version__}")
    flags = argparse.ArgumentParser(add_help=False)
    flags.add_argument("--host", help="address to listen on (IMCAXY_HOST)")
    flags.add_argument("--port", help="TCP port, 0 for any that is free (IMCAXY_PORT)")
    flags.add_argument("--workers", help="server processes (IMCAXY_WORKERS)")
    flags.add_argument(
        "--dev", action="store_true", default=None, help="allow private sources (IMCAXY_DEV)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "answer requests until stopped"),
        ("settings", _settings, "print every setting, its value and where that came from"),
        ("check", _check, "try everything that serving needs, and say what is wrong"),
        ("health", _health, "ask the server that runs on this machine whether it is alive"),
    ):
        command = commands.add_parser(name, parents=[flags], help=text, description=text)
        command.set_defaults(run=run)
    add_commands(commands)
    return parser


def _worker_parser() -> argparse.ArgumentParser:
    """Of one process of `serve --workers`. Apart, so that no message to people names it."""
    parser = argparse.ArgumentParser(prog="imcaxy")
    parser.add_argument("command")
    for name in ("--listen-fd", "--ready-fd", "--lifeline-fd"):
        parser.add_argument(name, type=int, required=True)
    parser.set_defaults(run=_worker)
    return parser


def _flags(asked: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(asked, name) for name in FLAGS}


def _import_app() -> None:
    """The longest part of a start."""
    from importlib import import_module

    import_module("imcaxy.app")


def _serve(asked: argparse.Namespace) -> int:
    from imcaxy.settings_apart import load_apart

    flags = _flags(asked)
    settings = load_apart(_import_app, **flags)
    if settings.dev:
        _warn("--dev: sources on private and loopback addresses are allowed. Not for public use.")
    sockets = _listen(settings)
    from imcaxy import app

    try:
        if settings.workers > 1:
            from imcaxy.settings_text import environment

            _announce(sockets)
            return _run(app.supervise(settings, sockets, environment(**flags)))
        return _run(app.serve(settings, sockets, lambda: _announce(sockets)))
    finally:
        for listener in sockets:
            listener.close()


def _worker(asked: argparse.Namespace) -> int:
    import socket

    from imcaxy.settings_apart import load_apart

    settings = load_apart(_import_app)
    from imcaxy import app

    def tell_parent() -> None:
        os.write(asked.ready_fd, b"1")
        os.close(asked.ready_fd)

    sockets = [socket.socket(fileno=asked.listen_fd)]
    return _run(app.serve(settings, sockets, tell_parent, asked.lifeline_fd))


def _settings(asked: argparse.Namespace) -> int:
    from imcaxy.settings_reading import load, shown

    flags = _flags(asked)
    rows = shown(load(**flags), **flags)
    width = max(len(f"{row.variable}={row.value}") for row in rows)
    for row in rows:
        print(f"{f'{row.variable}={row.value}':<{width}}  # {row.origin}")
    return 0


def _check(asked: argparse.Namespace) -> int:
    from imcaxy import app
    from imcaxy.settings_reading import load

    findings = _run(app.check(load(**_flags(asked))))
    width = max((len(name) for name, _, _ in findings), default=0)
    for name, works, found in findings:
        print(f"{'ok  ' if works else 'FAIL'}  {name:<{width}}  {found}")
    return 0 if all(works for _, works, _ in findings) else 1


def _health(asked: argparse.Namespace) -> int:
    from http.client import HTTPConnection, HTTPException

    from imcaxy.console.asking import reachable
    from imcaxy.settings_reading import load

    settings = load(**_flags(asked))
    host = reachable(settings.host)
    connection = HTTPConnection(host, settings.port, timeout=HEALTH_TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        print(answer.read(HEALTH_ANSWER).decode(errors="replace"))
    except (OSError, HTTPException) as error:
        raise ImcaxyError(f"nothing answers on {host} port {settings.port}: {error}") from error
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


def _listen(settings: "Settings") -> "list[socket.socket]":
    """A listening socket per worker; ImcaxyError when none can be had."""
    from imcaxy.server.workers import listening_sockets

    try:
        return listening_sockets(settings.host, settings.port, settings.workers)
    except OSError as error:
        raise ImcaxyError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from error


def _announce(sockets: "Sequence[socket.socket]") -> None:
    host, port = sockets[0].getsockname()[:2]
    _say(f"Imcaxy {__version__} listens on http://{f'[{host}]' if ':' in host else host}:{port}/")


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    from imcaxy.allocator import give_back_large_pieces

    give_back_large_pieces()
    return uvloop.run(work)


def _warn(text: str) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    _say(f"{RED}{text}{PLAIN}" if coloured else text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
