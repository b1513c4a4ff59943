from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import MARGIN, Confirming
from imcaxy.invalidation.tending import EVERY, Tending
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock, settle
from tests.fakes.rows import a_record, an_instance


async def keeping(*, dead_are_known: bool) -> tuple[FakeClock, FakeCatalog, Tasks]:
    clock, catalog, tasks = FakeClock(), FakeCatalog(), Tasks()
    confirming = Confirming(catalog, clock, 60.0)
    tending = Tending(
        confirming,
        Clearing(catalog, confirming, clock),
        clock,
        dead_are_known=dead_are_known,
        jitter=lambda: 0.5,
    )
    tasks.detach(tending.tend(), "tending")
    await settle()
    return clock, catalog, tasks


async def test_record_left_by_its_writer_is_cleared_though_the_catalog_failed_once() -> None:
    clock, catalog, tasks = await keeping(dead_are_known=True)
    await catalog.append(a_record(1, "file"))
    catalog.faults.fail()
    await clock.advance(EVERY + 1)
    catalog.faults.heal()
    await clock.advance(3 * EVERY)
    assert not await catalog.uncleared(1, 10)
    await tasks.drain(0.0)


async def test_silent_instance_goes_only_where_the_dead_are_not_known() -> None:
    for dead_are_known, left in ((True, 1), (False, 0)):
        clock, catalog, tasks = await keeping(dead_are_known=dead_are_known)
        await catalog.write_instance(an_instance())
        await clock.advance(60 + MARGIN + 3 * EVERY)
        assert len(await catalog.instances()) == left
        await tasks.drain(0.0)
