"""What a run did, as a table for people and as JSON for programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from imcaxy_invalidator.changes import Kind
from imcaxy_invalidator.paths import shown

ROWS = 40  # of the table; all are in the JSON


@dataclass(frozen=True, slots=True)
class Row:
    """One address, and how many kept pictures went with it; None where the server did not say."""

    url: str
    path: str
    kind: Kind | str
    removed: int | None


@dataclass(slots=True)
class Report:
    """One run."""

    project: str
    head: str
    base: str | None  # the commit of the last purge, as far as it counted
    scope: str  # what was compared, in words
    moved: bool = True  # whether `head` is now the commit of the last purge
    status: str = "done"  # done, unchanged, dry-run, unconfirmed
    rows: list[Row] = field(default_factory=list)
    removed: int | None = 0  # kept pictures; None where the server has not counted
    numbers: list[int] = field(default_factory=list)  # of the invalidations
    unconfirmed: list[str] = field(default_factory=list)  # instances
    not_deployed: dict[str, str] = field(default_factory=dict)  # address → why
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def document(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                "status": self.status,
                "project": self.project,
                "from": self.base,
                "to": self.head,
                "scope": self.scope,
                "moved": self.moved,
                "numbers": self.numbers,
                "removed": self.removed,
                "purged": [
                    {"url": it.url, "path": it.path, "change": it.kind, "removed": it.removed}
                    for it in self.rows
                ],
                "unconfirmed": self.unconfirmed,
                "notDeployed": self.not_deployed,
                "warnings": self.warnings,
                "notes": self.notes,
            },
            indent=2,
        )

    def lines(self) -> Iterator[str]:
        """The table, what went first, and one line that sums up."""
        yield f"{self.project}: {self.scope}"
        if self.rows:
            yield f"{'change':<9}{'removed':>8}  address"
        for it in sorted(self.rows, key=lambda it: -(it.removed or 0))[:ROWS]:
            removed = "?" if it.removed is None else it.removed
            yield f"{it.kind:<9}{removed:>8}  {shown(it.url)}"
        if len(self.rows) > ROWS:
            yield f"{'…':<9}{'':>8}  and {len(self.rows) - ROWS} more: --json lists all"
        yield self._sum()

    def _sum(self) -> str:
        files = f"{len(self.rows)} {'address' if len(self.rows) == 1 else 'addresses'}"
        count = "an unknown number of" if self.removed is None else self.removed
        kept = f"{count} kept {'picture' if self.removed == 1 else 'pictures'}"
        if self.status == "dry-run":
            return f"dry run: {files} would be purged, {kept} would go; nothing was changed"
        if self.status == "unchanged":
            return f"nothing to purge: no picture differs in {self.head[:12]}"
        if self.status == "unconfirmed":
            return f"{files} purged, {kept} removed, but not confirmed"
        stays = "; the project's commit stays: --since names another one"
        at = f"; the project is at {self.head[:12]}"
        return f"{files} purged, {kept} removed{at if self.moved else stays}"
