"""The arguments of the operator's commands. Light: each imports what it needs when it runs."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

_Commands = Any  # argparse names no public type for what add_subparsers returns


def add_commands(commands: _Commands) -> None:
    """Add purge, instances, explain and stats to the program's commands."""
    _add_purge(commands)
    _add(commands, "instances", _instances, "list who shares the catalog, and how far each is")
    _add_explain(commands)
    _add_address(_add(commands, "stats", _stats, "print figures of the catalog and each instance"))


def _add(commands: _Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="print JSON instead")
    command.set_defaults(run=run)
    return command


def _add_purge(commands: _Commands) -> None:
    command = _add(commands, "purge", _purge, "forget every picture made from these sources")
    command.epilog = "Exit status: 0 done, 1 the catalog does not answer, 2 usage, 3 not confirmed."
    command.add_argument("urls", nargs="*", metavar="URL", help="https://host/path, or file:path")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--folder", action="store_true", help="everything below each URL")
    kind.add_argument("--host", action="store_true", help="everything of each host")
    kind.add_argument("--all", action="store_true", help="everything; no URL then")
    command.add_argument("--dry-run", action="store_true", help="count, and change nothing")
    command.add_argument("--project", default="", help="for which project")
    command.add_argument("--commit", default="", help="the project's commit, which moves by it")


def _add_explain(commands: _Commands) -> None:
    command = _add(commands, "explain", _explain, "say why a picture is a hit or a miss")
    command.add_argument("url", metavar="URL", help="/imaginary/OPERATION?url=…, or a whole URL")
    command.add_argument("--accept", help="the request's Accept, which chooses with type=auto")
    _add_address(command)


def _add_address(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="where the servers are asked (IMCAXY_HOST)")
    command.add_argument("--port", help="the same (IMCAXY_PORT)")


def _purge(asked: argparse.Namespace) -> int:
    from imcaxy.console.purging import exit_status, purge, told
    from imcaxy.errors import InvalidationMalformed
    from imcaxy.invalidation.asked import from_members
    from imcaxy.invalidation.report import to_json
    from imcaxy.settings_reading import load

    if asked.all and asked.urls:
        raise InvalidationMalformed("--all hits everything: name no URL with it.")
    if not (asked.all or asked.urls or asked.commit):
        raise InvalidationMalformed("Name a URL, or --all, or --project with --commit.")
    named = "folders" if asked.folder else "hosts" if asked.host else "urls"
    call = from_members(
        {
            named: asked.urls,
            "all": asked.all,
            "dryRun": asked.dry_run,
            "projectName": asked.project,
            "latestCommitHash": asked.commit,
        }
    )
    report = asyncio.run(purge(load(), call))
    lines, warnings = told(call, report)
    _show(to_json(report) if asked.json else lines)
    for warning in warnings:
        _warn(warning)
    return exit_status(report)


def _instances(asked: argparse.Namespace) -> int:
    from imcaxy.console.instances import instances, told
    from imcaxy.settings_reading import load

    found = asyncio.run(instances(load()))
    _show([each.to_json() for each in found] if asked.json else told(found), as_json=asked.json)
    return 0


def _explain(asked: argparse.Namespace) -> int:
    from imcaxy.console.explaining import explain, told
    from imcaxy.settings_reading import load

    found = asyncio.run(explain(load(host=asked.host, port=asked.port), asked.url, asked.accept))
    _show(found.to_json() if asked.json else told(found))
    return 0


def _stats(asked: argparse.Namespace) -> int:
    from imcaxy.console.stats import stats, told
    from imcaxy.settings_reading import load

    found = asyncio.run(stats(load(host=asked.host, port=asked.port)))
    _show(found.to_json() if asked.json else told(found))
    return 0


def _show(what: Sequence[object] | dict[str, object], *, as_json: bool = False) -> None:
    if as_json or isinstance(what, dict):
        what = [json.dumps(what, indent=2, ensure_ascii=False)]
    encoding = sys.stdout.encoding or "utf-8"
    for line in what:  # a terminal that cannot show a letter gets it escaped
        print(str(line).encode(encoding, "backslashreplace").decode(encoding))


def _warn(text: str) -> None:
    print(f"imcaxy: {text}", file=sys.stderr, flush=True)
