"""What an invalidation does to requests that are under way (design 6.4, 6.5)."""

import asyncio

import pytest

from imcaxy.errors import SourceMissing
from imcaxy.grammar.purge_keys import file_key
from imcaxy.grammar.source import Source
from tests.fakes.clock import settle
from tests.fakes.instance import PIXEL, Instance, collect
from tests.fakes.rows import a_record
from tests.fakes.world import URL, World

KEY = file_key(Source("url", "http://host/a.png"))
GRACE = 300.0


async def invalidate(world: Instance, number: int = 1) -> None:
    """As an answered call does: the record is in the log and applied here."""
    assert await world.catalog.append(a_record(number, KEY))
    await world.follower.look_anew()


async def test_request_without_a_byte_moves_to_a_new_job() -> None:
    world = World()
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    old = await world.processor.delivery(0)
    await invalidate(world)
    new = await world.processor.delivery(1)
    old.deliver(b"old")
    new.deliver(b"new")
    assert await collect((await asking)[0].variant.read()) == b"new"
    await world.idle()
    again = await world.ask(f"width=3&{URL}")
    assert (again.status.hit, await collect(again.variant.read())) == (True, b"new")
    assert len(world.processor.deliveries) == 2


async def test_bytes_of_an_older_job_are_not_kept() -> None:
    world = World()
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    old = await world.processor.delivery(0)
    old.begin(6)
    served = (await asking)[0]
    await invalidate(world)
    old.send(b"oldold")
    old.end()
    assert await collect(served.variant.read()) == b"oldold"
    await world.idle()
    assert not world.catalog.rows.entries
    assert not world.blobs.held


async def test_entry_that_is_opened_meanwhile_is_looked_up_again() -> None:
    world = World()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"old")
    await first
    await world.idle()
    world.memory.clear()
    world.blobs.faults.hang("load")
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    await world.blobs.faults.reached("load")
    await invalidate(world)
    world.blobs.faults.heal()
    (await world.processor.delivery(1)).deliver(b"new")
    assert await collect((await asking)[0].variant.read()) == b"new"
    await world.idle()
    assert await collect((await world.ask(f"width=3&{URL}")).variant.read()) == b"new"


async def test_remembered_failure_ends_with_an_invalidation() -> None:
    world = World()

    def missing(_: Source) -> bytes:
        raise SourceMissing

    world.reader.answer = missing
    for _ in range(2):
        with pytest.raises(SourceMissing):
            await world.ask(f"width=3&{URL}")
    world.reader.answer = lambda _: PIXEL
    await invalidate(world)
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"found")
    assert await collect((await asking)[0].variant.read()) == b"found"


async def test_other_instances_failure_of_an_older_job_is_not_shared() -> None:
    world = World()
    other = Instance(world.catalog.rows, "other")

    def missing(_: Source) -> bytes:
        raise SourceMissing

    other.reader.answer = missing
    plan = world.plan(f"width=3&{URL}")
    stream, _ = other.jobs.join(plan.request, plan.signature)
    with pytest.raises(SourceMissing):
        await stream.started()
    await settle()
    await invalidate(world)
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"found")
    assert await collect((await asking)[0].variant.read()) == b"found"


async def test_request_after_the_grace_joins_nothing_and_all_are_answered() -> None:
    world = World()
    world.catalog.faults.fail()
    early = asyncio.gather(world.ask(f"width=3&{URL}"))
    first = await world.processor.delivery(0)
    await world.clock.advance(GRACE + 1)
    late = asyncio.gather(world.ask(f"width=3&{URL}"))
    second = await world.processor.delivery(1)
    last = asyncio.gather(world.ask(f"width=3&{URL}"))
    await settle()
    first.deliver(b"first")
    second.deliver(b"second")
    (await world.processor.delivery(2)).deliver(b"third")
    bodies = [await collect((await each)[0].variant.read()) for each in (early, late, last)]
    assert bodies == [b"first", b"second", b"third"]


async def test_what_is_held_is_served_until_the_grace_is_over() -> None:
    world = World()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"held")
    await first
    await world.idle()
    world.catalog.faults.fail()
    await world.clock.advance(GRACE - 1)
    assert (await world.ask(f"width=3&{URL}")).status.hit
    await world.clock.advance(2)
    asking = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(1)).deliver(b"anew")
    assert not (await asking)[0].status.hit


async def test_version_of_an_answered_commit_is_immutable_and_another_is_not() -> None:
    world = World()
    world.commits.add("c0ffee")
    first = asyncio.gather(world.ask(f"width=3&v=c0ffee&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    assert (await first)[0].immutable
    await world.idle()
    for version, immutable in (("c0ffee", True), ("other", False)):
        served = await world.ask(f"width=3&v={version}&{URL}")
        assert (served.immutable, served.short_lived) == (immutable, not immutable)
