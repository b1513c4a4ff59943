"""`imcaxy purge`: an invalidation through the catalog, with or without a server that runs."""

from imcaxy.clock import Clock
from imcaxy.console.joined import joined
from imcaxy.console.table import aligned
from imcaxy.errors import CatalogError, InvalidationUnrecorded
from imcaxy.invalidation.asked import Asked, targets
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.purge import Purger, Report
from imcaxy.settings import Settings
from imcaxy.tasks import Tasks

CLEARING = 10.0  # seconds that clearing has; what is left then is cleared by the servers
DONE, UNCONFIRMED = 0, 3  # exit statuses


async def purge(settings: Settings, asked: Asked) -> Report:
    """Do what is asked, as `DELETE /invalidate` would; raises InvalidationMalformed, StoreError."""
    asked.keys()  # a mistake in it is told before anything is opened
    clock, tasks = Clock(), Tasks()
    async with joined(settings, clock) as catalog:
        confirming = Confirming(catalog, clock, settings.offline_grace)
        clearing = Clearing(catalog, confirming, clock)
        purger = Purger(catalog, confirming, clearing, clock, tasks, settings.purge_timeout)
        if asked.dry_run:
            return await purger.dry_run(asked)
        try:
            return await purger.purge(asked)
        except InvalidationUnrecorded as error:
            raise CatalogError(
                "The catalog does not answer: the invalidation may not be recorded. "
                "Give the command again; that is safe."
            ) from error
        finally:
            await tasks.drain(CLEARING)


def exit_status(report: Report) -> int:
    """0 when no instance can serve what it hit any more; 3 when some have not confirmed."""
    return UNCONFIRMED if report.unconfirmed else DONE


def told(asked: Asked, report: Report) -> tuple[list[str], list[str]]:
    """What became of it: the lines of the table, and the warnings."""
    counts = report.counts
    named = targets(asked)
    hit = ["?" if counts is None else str(counts.get(target, 0)) for target in named]
    table = [("pictures", "of"), *zip(hit, named, strict=True)]
    lines = aligned(table, right={0}) if named else []
    lines.append(_summary(report))
    warnings = []
    if counts is None:
        warnings.append("What it hit could not be counted: the catalog did not answer in time.")
    elif unmet := [target for target in named if not counts.get(target)]:
        warnings.append(f"Nothing was kept of {_some(unmet)}. `imcaxy explain` shows what is.")
    if report.unconfirmed:
        warnings.append(
            f"Not confirmed by {', '.join(report.unconfirmed)}: old pictures may be served there, "
            f"for IMCAXY_OFFLINE_GRACE at most. `imcaxy instances` shows how far each has come."
        )
    return lines, warnings


def _summary(report: Report) -> str:
    removed = "?" if report.removed is None else str(report.removed)
    if report.dry_run:
        return f"Dry run: {removed} would go; nothing was changed."
    state = "recorded" if report.unconfirmed else "done"
    return f"Invalidation {report.record.number} is {state}: {removed} gone."


def _some(items: list[str]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(items[:3]) + more
