import asyncio

import pytest

from imcaxy.errors import (
    FormatUnsupported,
    ImcaxyError,
    MissingParameter,
    OperationUnknown,
    OperationUnsupported,
    ProcessorFailed,
    WaitExpired,
    WidthRefused,
)
from imcaxy.grammar.ladder import Ladder
from imcaxy.proxy.base import Asked, Plan
from tests.fakes.clock import settle
from tests.fakes.instance import PIXEL, collect
from tests.fakes.world import URL, World


def asked(operation: str, query: str) -> Asked:
    return Asked(operation, query, None, save_data=False, wants_image=False)


async def test_first_request_is_a_miss_and_the_next_a_hit_in_memory() -> None:
    world = World()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    served = (await first)[0]
    assert served.status.render() == "Imcaxy; fwd=miss; stored"
    assert await collect(served.variant.read()) == b"picture"
    await world.idle()
    again = await world.ask(f"width=3&{URL}")
    assert again.status.render() == "Imcaxy; hit; detail=memory"
    assert again.variant.head.etag == served.variant.head.etag


async def test_entry_that_is_not_in_memory_is_a_hit_on_disk() -> None:
    world = World()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    await first
    await world.idle()
    world.memory.clear()
    assert (await world.ask(f"width=3&{URL}")).status.render() == "Imcaxy; hit; detail=disk"


async def test_request_that_joins_a_running_job_is_collapsed() -> None:
    world = World()
    asking = [asyncio.gather(world.ask(f"width=3&{URL}")) for _ in range(3)]
    (await world.processor.delivery(0)).deliver(b"picture")
    texts = sorted([(await each)[0].status.render() for each in asking])
    assert texts == ["Imcaxy; fwd=miss; collapsed"] * 2 + ["Imcaxy; fwd=miss; stored"]
    assert len(world.processor.deliveries) == 1


async def test_whole_picture_that_is_not_yet_kept_is_no_hit() -> None:
    world = World()
    world.catalog.faults.hang("insert_entry")
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    await first
    await world.catalog.faults.reached("insert_entry")
    assert (await world.ask(f"width=3&{URL}")).status.render() == "Imcaxy; fwd=miss; collapsed"
    world.catalog.faults.heal()
    await world.idle()


async def test_store_that_does_not_answer_costs_keeping_only() -> None:
    world = World()
    world.catalog.faults.fail()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    served = (await first)[0]
    assert served.status.render() == "Imcaxy; fwd=miss; detail=not-stored"
    assert await collect(served.variant.read()) == b"picture"


async def test_request_waits_no_longer_than_its_deadline_and_the_job_goes_on() -> None:
    world = World(timeout=0.01)
    with pytest.raises(WaitExpired):
        await world.ask(f"width=3&{URL}")
    world.processor.deliveries[0].deliver(b"picture")
    await world.idle()
    assert (await world.ask(f"width=3&{URL}")).status.hit


async def test_look_up_that_hangs_costs_no_more_than_the_requests_deadline() -> None:
    world = World(timeout=0.01)
    world.catalog.faults.hang("find")
    with pytest.raises(WaitExpired):
        await world.ask(f"width=3&{URL}")
    assert not world.processor.deliveries


async def test_failure_is_answered_with_the_source_where_a_picture_was_asked_for() -> None:
    world = World(fallback=True)
    asking = asyncio.gather(world.ask(f"width=3&{URL}", wants_image=True))
    (await world.processor.delivery(0)).refuse(ProcessorFailed("no"))
    served = (await asking)[0]
    assert served.fallback
    assert served.status.render() == "Imcaxy; fwd=bypass; detail=fallback"
    assert "Accept" in served.vary  # whoever asks for no picture gets the error
    assert await collect(served.variant.read()) == PIXEL


@pytest.mark.parametrize(("fallback", "wants_image"), [(True, False), (False, True)])
async def test_failure_is_an_error_elsewhere(*, fallback: bool, wants_image: bool) -> None:
    world = World(fallback=fallback)
    asking = asyncio.gather(
        world.ask(f"width=3&{URL}", wants_image=wants_image), return_exceptions=True
    )
    (await world.processor.delivery(0)).refuse(ProcessorFailed("no"))
    assert isinstance((await asking)[0], ProcessorFailed)


def test_plan_resolves_auto_to_what_is_accepted_and_can_be_made() -> None:
    plan = World().proxy.plan(
        Asked("resize", f"width=3&type=auto&{URL}", "image/avif,image/webp", False, True)
    )
    assert plan.request.options["type"] == "webp"
    assert plan.vary == ("Accept", "Save-Data")


def test_plan_says_that_accept_chooses_between_an_error_and_the_source() -> None:
    assert World(fallback=True).proxy.plan(asked("resize", f"width=3&{URL}")).error_vary
    assert not World().proxy.plan(asked("resize", f"width=3&{URL}")).error_vary


def test_plans_of_two_spellings_share_a_signature() -> None:
    proxy = World().proxy
    one = proxy.plan(asked("resize", f"width=3&{URL}&v=abc"))
    two = proxy.plan(asked("resize", f"x=9&{URL}&width=3.2"))
    assert one.signature == two.signature
    assert (one.version, two.version) == ("abc", None)


async def test_version_of_the_client_makes_the_answer_short_lived() -> None:
    world = World()
    asking = asyncio.gather(world.ask(f"width=3&{URL}&v=abc"))
    (await world.processor.delivery(0)).deliver(b"picture")
    assert (await asking)[0].short_lived


@pytest.mark.parametrize(
    ("operation", "query", "error"),
    [
        ("explode", URL, OperationUnknown),
        ("resize", "width=3", MissingParameter),
        ("blur", f"sigma=3&{URL}", OperationUnsupported),
        ("resize", f"width=3&type=avif&{URL}", FormatUnsupported),
        (
            "pipeline",
            f'operations=[{{"operation":"convert","params":{{"type":"avif"}}}}]&{URL}',
            FormatUnsupported,
        ),
        (
            "pipeline",
            f'operations=[{{"operation":"blur","params":{{"sigma":3}}}}]&{URL}',
            OperationUnsupported,
        ),
    ],
)
def test_plan_of_what_cannot_be_made_is_refused(
    operation: str, query: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        World().proxy.plan(asked(operation, query))


@pytest.mark.parametrize(
    ("operation", "query", "accepted"),
    [
        ("explode", URL, "convert, info, pipeline, resize"),
        ("resize", f"width=3&type=bmp&{URL}", "jpeg, png, webp"),
        ("resize", f"width=3&type=avif&{URL}", "jpeg, png, webp"),
    ],
)
def test_plan_of_what_cannot_be_made_says_what_this_processor_can(
    operation: str, query: str, accepted: str
) -> None:
    with pytest.raises(ImcaxyError) as raised:
        World().proxy.plan(asked(operation, query))
    assert raised.value.accepted == accepted


async def test_plan_of_another_proxy_is_refused() -> None:
    with pytest.raises(TypeError):
        await World().proxy.serve(Plan(vary=()))
    await settle()


def test_width_outside_a_strict_ladder_is_refused_before_any_work() -> None:
    world = World(ladder=Ladder((64, 128), strict=True))
    with pytest.raises(WidthRefused):
        world.proxy.plan(asked("resize", f"width=100&{URL}"))


def test_widths_that_snap_to_the_same_step_are_one_picture() -> None:
    plan = World(ladder=Ladder((64, 128), strict=False)).proxy.plan
    signatures = {plan(asked("resize", f"width={it}&{URL}")).signature for it in (65, 100, 128)}
    assert len(signatures) == 1


async def test_disk_hit_of_a_client_that_has_the_picture_reads_no_blob() -> None:
    world = World()
    first = asyncio.gather(world.ask(f"width=3&{URL}"))
    (await world.processor.delivery(0)).deliver(b"picture")
    tag = (await first)[0].variant.head.etag
    await world.idle()
    world.memory.clear()
    reads = world.blobs.faults.calls["load"]
    for held, calls in ((tag, 0), ('"other"', 1)):
        wish = Asked(
            "resize", f"width=3&{URL}", "image/webp", False, False, is_unchanged=held.__eq__
        )
        served = await world.proxy.serve(world.proxy.plan(wish))
        assert served.status.render() == "Imcaxy; hit; detail=disk"
        assert world.blobs.faults.calls["load"] == reads + calls
