"""`imcaxy instances`: who shares the catalog, and how far each has applied the log."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from imcaxy.clock import Clock
from imcaxy.console.joined import joined
from imcaxy.console.table import aligned
from imcaxy.settings import Settings
from imcaxy.store.catalog.base import Catalog

NOTE = (
    "`seen` is this machine's clock less the one that wrote the sign of life: between machines it "
    "is off by as much as their clocks are. Nothing is decided by it."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one instance stands."""

    name: str
    incarnation: str
    state: str  # runs, may run, left, dead
    applied: int  # newest record of the log that it has applied
    behind: int  # records
    seen: float  # seconds since its last sign of life, if the clocks agree

    def to_json(self) -> dict[str, object]:
        """The facts by name."""
        return asdict(self)

    @property
    def answers(self) -> bool:
        """Whether it may be answering requests."""
        return self.state in ("runs", "may run")


async def instances(settings: Settings) -> list[Standing]:
    """Every instance that the catalog knows; raises StoreError."""
    clock = Clock()
    async with joined(settings, clock) as catalog:
        return await standings(catalog, clock)


async def standings(catalog: Catalog, clock: Clock) -> list[Standing]:
    """The same of a catalog that is open, by name."""
    alive = "runs" if catalog.pace.dead_are_known else "may run"
    rows = await catalog.instances()
    head = await catalog.head()  # read after them, so that none is ahead of it
    found = []
    for row in rows:
        state = "left" if row.left else alive
        if not row.left and await catalog.is_gone(row.incarnation):
            state = "dead"
        found.append(
            Standing(
                name=row.name,
                incarnation=row.incarnation,
                state=state,
                applied=row.applied.number,
                behind=max(0, head.number - row.applied.number),
                seen=round(clock.wall() - row.seen, 1),
            )
        )
    return sorted(found, key=lambda each: (each.name, each.incarnation))


def told(found: Sequence[Standing]) -> list[str]:
    """The table, and what its last column means."""
    if not found:
        return ["No instance has registered."]
    rows = [("instance", "state", "applied", "behind", "seen")]
    for each in found:
        facts = (str(each.applied), str(each.behind), f"{each.seen:.1f} s ago")
        rows.append((each.name, each.state, *facts))
    return [*aligned(rows, right={2, 3, 4}), "", NOTE]
