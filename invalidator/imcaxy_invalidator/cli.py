"""The `imcaxy-invalidator` command. Its exit code is what a CI job acts on."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from imcaxy_invalidator import options as settings
from imcaxy_invalidator.errors import InvalidatorError, Unconfirmed
from imcaxy_invalidator.job import Job
from imcaxy_invalidator.options import Options
from imcaxy_invalidator.paths import shown
from imcaxy_invalidator.report import Report
from imcaxy_invalidator.repository import Repository
from imcaxy_invalidator.server import Server


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 usage, 3 unconfirmed, 4 refused, 5 unreachable; see errors.py."""
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    try:
        options = settings.read(given, settings.environment())
        as_json = options.json
        report = _report(options)
    except InvalidatorError as error:
        _say(f"imcaxy-invalidator: {error}")
        if as_json:
            print(json.dumps({"status": type(error).__name__.lower(), "error": str(error)}))
        return error.code
    except KeyboardInterrupt:
        return 130
    return _tell(report, options)


def _report(options: Options) -> Report:
    repository = Repository(Path(options.repository))
    try:
        server = Server(
            options.server,
            options.token or None,
            seconds=options.timeout,
            attempts=options.attempts,
            tell=_say,
        )
        return Job(options, repository, server).run()
    finally:
        repository.close()


def _tell(report: Report, options: Options) -> int:
    for note in report.notes:
        _say(f"note: {note}")
    for warning in report.warnings:
        _say(f"warning: {warning}")
    if options.json:
        print(report.document())
    else:
        print(*report.lines(), sep="\n", flush=True)
    if report.status != "unconfirmed":
        return 0
    for name in report.unconfirmed:
        _say(f"instance {shown(name)} has not confirmed: it may serve old pictures until it has")
    return 0 if options.allow_unconfirmed else Unconfirmed.code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
