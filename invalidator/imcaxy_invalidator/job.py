"""One run: ask for the last commit, see what changed, wait for the site, purge, say what went."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imcaxy_invalidator import digests, manifest
from imcaxy_invalidator.changes import Changes, all_tracked, changes_between
from imcaxy_invalidator.clock import Clock
from imcaxy_invalidator.deployed import Awaited, wait_until_deployed
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.globs import IMAGES, Selection
from imcaxy_invalidator.options import Options
from imcaxy_invalidator.paths import shown
from imcaxy_invalidator.places import FILES, place
from imcaxy_invalidator.plan import Plan
from imcaxy_invalidator.report import Report, Row
from imcaxy_invalidator.repository import Repository
from imcaxy_invalidator.server import Purge, Result, Server

MOST = 5000  # addresses of one call
LARGEST = 4 * 1024 * 1024  # bytes of the addresses of one call


@dataclass(slots=True)
class _Scope:
    """What is compared with what."""

    words: str
    base: str | None
    changes: Changes
    warnings: list[str] = field(default_factory=list)


class Job:
    """All of one run. Raises the errors of errors.py; what was kept by then stays kept."""

    def __init__(
        self, options: Options, repository: Repository, server: Server, clock: Clock | None = None
    ) -> None:
        self._options, self._repository, self._server = options, repository, server
        self._clock = clock or Clock()
        self._selection = Selection(options.include or IMAGES, options.exclude)
        self._places = [place(it) for it in options.map]
        self._manifests = [manifest.read(it) for it in options.manifest]
        self._head = repository.commit(options.commit)
        self._project = options.project or repository.origin or ""
        if not self._project:
            raise Misused("--project is missing: the repository has no remote to name it after")
        self._digests = self._taken()

    def run(self) -> Report:
        """Purge what changed; what was done, and what is not certain."""
        known = self._server.last(self._project)
        last = None if known is None else known.commit
        scope = self._scope(last)
        plan = self._plan(scope)
        report = Report(self._project, self._head, scope.base, scope.words)
        report.warnings += scope.warnings + plan.warnings()
        report.notes += scope.changes.notes
        # A difference from another commit says nothing of what changed since the last purge.
        report.moved = not self._options.since or scope.base == last
        if not plan.targets and not plan.folders and (last == self._head or not report.moved):
            report.status = "unchanged"
            if known is not None and last == self._head:
                self._confirm(known.result, report)
            return report
        if self._options.wait_for_change and not self._options.dry_run:
            self._await(plan, report)
        self._purge(plan, report)
        self._conclude(plan, report)
        return report

    def _scope(self, last: str | None) -> _Scope:
        options, repository = self._options, self._repository
        if options.folders:
            return _Scope("all that is published in the mapped folders", None, Changes())
        if options.all:
            return self._everything("every tracked file that counts")
        if options.since:
            base = repository.commit(options.since)
            return self._compared(base, f"changes since {base[:12]}")
        if last is None:
            return self._everything("first purge of this project: every tracked file that counts")
        if not repository.has(last) and not repository.fetch(last):
            scope = self._everything(
                f"commit {last[:12]} of the last purge is not to be had: "
                "every tracked file that counts"
            )
            scope.warnings.append(
                "files that were deleted since the last purge are not known; "
                "--folders purges all that is published in the mapped folders"
            )
            return scope
        scope = self._compared(last, f"changes since the last purge, {last[:12]}")
        if last != self._head and repository.is_ancestor(self._head, last):
            scope.warnings.append(
                f"{self._head[:12]} is older than the last purge: a step back, or a job that was "
                "overtaken; let the jobs of one project run one after another"
            )
        return scope

    def _compared(self, base: str, words: str) -> _Scope:
        formers = self._options.wait_for_change > 0
        changes = changes_between(self._repository, base, self._head, formers=formers)
        return _Scope(words, base, changes)

    def _everything(self, words: str) -> _Scope:
        return _Scope(words, None, all_tracked(self._repository, self._head))

    def _taken(self) -> dict[str, str]:
        root, found = self._repository.root, {}
        for directory in self._options.compare:
            found.update(digests.taken(directory, root, self._selection))
        return found

    def _plan(self, scope: _Scope) -> Plan:
        plan = Plan()
        if self._options.folders:
            plan.add_places(self._places)
        plan.add(scope.changes, self._selection, self._places, self._manifests)
        if self._options.compare:
            stored = digests.load(Path(self._options.digests))
            plan.add(digests.differences(stored, self._digests), self._selection, self._places)
        for it in self._manifests if scope.base is not None else ():
            content = self._repository.file_at(scope.base or "", Path(it.file))
            if content is not None:
                before = manifest.parse(it.file, it.url, content)
                urls = [url for url in it.moved(before) if self._selection.takes(url)]
                plan.add_moved(urls, it.file)
        return plan

    def _await(self, plan: Plan, report: Report) -> None:
        awaited = [
            Awaited(it.url, it.kind, it.former)
            for it in plan.targets.values()
            # Of a tracked file it is not known what it was; only the server can read FILES.
            if it.kind != "tracked" and not it.url.startswith(FILES)
        ]
        report.not_deployed = wait_until_deployed(
            awaited, self._options.wait_for_change, self._clock
        )
        if report.not_deployed:
            some = [f"{url} ({why})" for url, why in list(report.not_deployed.items())[:3]]
            more = len(report.not_deployed) - len(some)
            report.warnings.append(
                f"not deployed within {self._options.wait_for_change:g} s: {', '.join(some)}"
                + (f" and {more} more" if more else "")
            )

    def _purge(self, plan: Plan, report: Report) -> None:
        options = self._options
        if report.not_deployed and not options.allow_unconfirmed:
            report.moved = False  # the site is still old: the purge may have to be done again
        final = self._head if report.moved else None
        calls = list(_calls([*plan.targets], [*plan.folders]))
        per_url: dict[str, int] = {}
        for number, (urls, folders) in enumerate(calls, 1):
            commit = final if number == len(calls) else None
            purge = Purge(self._project, commit, urls, folders, dry_run=options.dry_run)
            result = self._server.purge(purge)
            per_url.update(result.per_url)
            report.removed = _sum(report.removed, result.removed)
            if result.number is not None:
                report.numbers.append(result.number)
            if not options.dry_run:
                self._confirm(result, report)
        targets = plan.targets.values()
        report.rows = [Row(it.url, it.path, it.kind, per_url.get(it.url)) for it in targets]
        report.rows += [
            Row(url, path, "folder", per_url.get(url)) for url, path in plan.folders.items()
        ]

    def _confirm(self, result: Result, report: Report) -> None:
        """Wait as long as is allowed for the instances, and note who has not confirmed."""
        self._server.wait(result, self._options.wait)
        if not result.confirmed:
            report.status = "unconfirmed"
        report.unconfirmed += [it for it in result.unconfirmed if it not in report.unconfirmed]
        if result.error:
            report.warnings.append(f"the server says: {shown(result.error)}")

    def _conclude(self, plan: Plan, report: Report) -> None:
        if self._options.dry_run:
            report.status = "dry-run"
        elif report.not_deployed:
            report.status = "unconfirmed"
        if report.rows and report.removed == 0:
            report.warnings.append(
                "none of these addresses was in the cache: is --map right, or did nobody ask yet?"
            )
        if not plan.counted and not report.rows:
            report.notes.append("no changed file counts (see --include)")
        settled = not report.not_deployed or self._options.allow_unconfirmed
        if self._options.compare and settled and not self._options.dry_run:
            digests.store(Path(self._options.digests), self._digests)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _calls(urls: list[str], folders: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """What each call carries; one call at least, because it also carries the commit."""
    marked = [(it, False) for it in urls] + [(it, True) for it in folders]
    for part in list(_parts(marked)) or [[]]:
        yield [it for it, folder in part if not folder], [it for it, folder in part if folder]


def _parts(items: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    part: list[tuple[str, bool]] = []
    room = LARGEST
    for item in items:
        if part and (len(part) == MOST or room < len(item[0])):
            yield part
            part, room = [], LARGEST
        part.append(item)
        room -= len(item[0])
    if part:
        yield part
