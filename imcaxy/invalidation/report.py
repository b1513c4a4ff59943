"""How an invalidation stands, as JSON that CI jobs and people read. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

from imcaxy.invalidation.purge import LISTED, Report
from imcaxy.invalidation.removed import Removed


def to_json(report: Report) -> dict[str, object]:
    """The report's members; lists of pictures end after the first LISTED."""
    record = report.record
    requested = list(record.urls)
    return {
        "number": None if report.dry_run else record.number,
        "status": status(report),
        "request": record.request,
        "projectName": record.project,
        "commitHash": record.commit,
        "invalidationDate": None if report.dry_run else _date(record.at),
        "requestedInvalidations": requested,
        "doneInvalidations": [] if report.dry_run else requested,
        "invalidatedImages": [each.to_json() for each in _listed(report)],
        "invalidationError": None,
        "unconfirmed": list(report.unconfirmed),
        "removed": report.removed,
        "cleared": report.cleared,
        "perUrl": dict(report.counts or {}),
    }


def status(report: Report) -> str:
    """`dry-run`; `pending` while an instance has not confirmed; else `done`."""
    if report.dry_run:
        return "dry-run"
    return "pending" if report.unconfirmed else "done"


def _listed(report: Report) -> Sequence[Removed]:
    if report.hits:
        return [Removed.of(entry) for entry in report.hits[:LISTED]]
    return [Removed.parse(text) for text in report.removed_images[:LISTED]]


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
