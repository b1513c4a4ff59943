from dataclasses import replace

import pytest

from imcaxy.errors import CatalogError, ImcaxyError, SourceFailed
from imcaxy.grammar.source import Source
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.asked import Asked
from imcaxy.invalidation.revalidating import AT_ONCE, REMEMBERED, Revalidating
from imcaxy.sources.base import Validators
from imcaxy.store.catalog.base import Entry, Seen
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog, Rows
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import an_entry

URL = "https://h/a.png"
AFTER = 100.0


def entry(*urls: str) -> Entry:
    return an_entry(seen=tuple(Seen(url, '"e"', "yesterday", "d1") for url in urls))


class World:
    def __init__(self, rows: Rows | None = None) -> None:
        self.clock, self.tasks, self.catalog = FakeClock(), Tasks(), FakeCatalog(rows)
        self.changed: bool | ImcaxyError = False
        self.asked: list[tuple[Source, Validators, str]] = []
        self.purged: list[Asked] = []
        self.revalidating = Revalidating(
            self.catalog, self, self.purge, "me", self.clock, self.tasks, after=AFTER
        )

    async def has_changed(self, source: Source, known: Validators, digest: str) -> bool:
        self.asked.append((source, known, digest))
        if isinstance(self.changed, ImcaxyError):
            raise self.changed
        return self.changed

    async def purge(self, asked: Asked) -> None:
        self.purged.append(asked)


async def test_source_is_asked_for_once_in_a_span_by_one_instance() -> None:
    world = World()
    other = World(world.catalog.rows)
    for each in (world, other, world):
        each.revalidating.due(entry(URL))
        await settle()
    assert world.asked == [(Source("url", URL), Validators('"e"', "yesterday"), "d1")]
    assert other.asked == []
    assert world.purged == []
    await world.clock.advance(AFTER)
    world.revalidating.due(entry(URL))
    await settle()
    assert len(world.asked) == 2


async def test_change_is_an_invalidation_that_can_be_repeated() -> None:
    world = World()
    world.changed = True
    world.revalidating.due(entry(URL))
    await settle()
    (asked,) = world.purged
    assert asked.urls == (URL,)
    assert len(asked.request) < 200
    assert [claim.outcome for claim in world.catalog.rows.claims.values()] == ["asked"]


async def test_change_found_again_while_it_takes_effect_is_no_second_invalidation() -> None:
    world = World()
    world.changed = True
    for _ in range(2):  # the second time by a picture that is still handed out
        world.revalidating.due(entry(URL))
        await settle()
        await world.clock.advance(AFTER)
    world.revalidating.due(replace(entry(URL), as_of=LogPosition(1, "r1")))  # it changed once more
    await settle()
    first, again, later = [asked.request for asked in world.purged]
    assert first == again != later


@pytest.mark.parametrize("error", [SourceFailed(), CatalogError("down")])
async def test_failure_leaves_the_picture_as_it_is(error: ImcaxyError) -> None:
    world = World()
    world.changed = error
    world.revalidating.due(entry(URL))
    await settle()
    assert world.purged == []
    assert world.revalidating._running == 0


async def test_catalog_that_fails_is_no_failure_of_the_request() -> None:
    world = World()
    world.catalog.faults.fail()
    world.revalidating.due(entry(URL))
    await settle()
    assert world.asked == []


async def test_sources_asked_for_at_once_and_remembered_are_bounded() -> None:
    world = World()
    world.catalog.faults.hang("insert_claim")
    urls = [f"https://h/{number}.png" for number in range(AT_ONCE + 5)]
    world.revalidating.due(entry(*urls))
    await settle()
    assert world.catalog.faults.calls["insert_claim"] == AT_ONCE
    world.catalog.faults.heal()
    await settle()
    left = REMEMBERED - len(world.revalidating._asked)
    world.revalidating._asked.update({str(number): 0 for number in range(left)})
    world.revalidating.due(entry("https://h/one-more.png"))
    await settle()
    assert len(world.revalidating._asked) == REMEMBERED
