from dataclasses import replace

from imcaxy.store.watch import Watch
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.rows import a_claim


async def test_beating_claim_has_not_ended() -> None:
    clock = FakeClock()
    watch = Watch(FakeCatalog(), clock, 5.0)
    for beat in range(5):
        assert not (await watch.look(a_claim(beat=beat))).ended
        await clock.advance(4.0)


async def test_beat_that_stands_still_for_the_lease_has_ended() -> None:
    clock = FakeClock()
    watch = Watch(FakeCatalog(), clock, 5.0)
    await watch.look(a_claim())
    await clock.advance(4.9)
    assert not (await watch.look(a_claim())).ended
    await clock.advance(0.1)
    assert await watch.look(a_claim()) == (True, 0.0)
    await clock.advance(3.0)
    assert await watch.look(a_claim()) == (True, 3.0)
    assert not (await watch.look(a_claim(beat=1))).ended


async def test_claim_of_a_gone_owner_has_ended_at_once() -> None:
    catalog = FakeCatalog()
    catalog.rows.gone.add("incarnation-1")
    assert (await Watch(catalog, FakeClock(), 5.0).look(a_claim())).ended


async def test_claim_with_an_outcome_has_ended() -> None:
    claim = replace(a_claim(), outcome="{}")
    assert (await Watch(FakeCatalog(), FakeClock(), 5.0).look(claim)).ended


async def test_forgotten_claim_is_watched_anew() -> None:
    clock = FakeClock()
    watch = Watch(FakeCatalog(), clock, 5.0)
    await watch.look(a_claim())
    watch.keep_only([])
    await clock.advance(6.0)
    assert not (await watch.look(a_claim())).ended
