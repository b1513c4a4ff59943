"""Three instances on a real MongoDB and a real bucket are one; what fails between costs little."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.fleet import Every, Fleet, fleet, settings_of
from tests.e2e.harness import Answer, Server, digest, png_of
from tests.stores import mongo_uri, s3_endpoint

PAIRS = [("ferretdb", "minio"), ("secantus", "versitygw")]
HIT = "Imcaxy; hit; detail=memory"
BUCKET = "Imcaxy; hit; detail=bucket"
STORED = "Imcaxy; fwd=miss; stored"
NOT_STORED = "Imcaxy; fwd=miss; detail=not-stored"

pytestmark = [pytest.mark.slow]
over_pairs = pytest.mark.parametrize(
    ("mongo", "s3"),
    [pytest.param(*pair, marks=pytest.mark.integration(*pair)) for pair in PAIRS],
)


@pytest.fixture
async def here(tmp_path: Path, mongo: str, s3: str) -> AsyncIterator[Fleet]:
    """Gives up a part that does not answer within two seconds."""
    async with fleet(tmp_path, mongo, s3, remember_failures=0) as fleet_:
        yield fleet_


@pytest.fixture
async def calm(tmp_path: Path, mongo: str, s3: str) -> AsyncIterator[Fleet]:
    """Waits for its parts however busy the machine is."""
    async with fleet(tmp_path, mongo, s3, store_timeout=20) as fleet_:
        yield fleet_


async def cold(here: Fleet, index: int) -> str:
    """How a variant that nobody has asked for is answered."""
    return await here.status(index, next(here.widths))


async def whole(here: Fleet, index: int) -> str:
    """How a variant is answered, or that the answer broke off."""
    response = await here.get(index)
    return response.headers["cache-status"] if response.whole else "broke off"


async def until(told: Callable[[], Awaitable[str]], wanted: str, within: float = 30.0) -> None:
    """Ask until the answer is the wanted one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while (found := await told()) != wanted:
        assert loop.time() < deadline, f"{found}, not {wanted}, after {within} s"
        await asyncio.sleep(0.1)


@over_pairs
async def test_three_that_start_at_once_on_a_new_bucket_share_what_they_keep(
    tmp_path: Path, mongo: str, s3: str
) -> None:
    async with fleet(tmp_path, mongo, s3, "new", store_timeout=5) as here:
        for index in range(3):
            await until(partial(here.status, index), HIT)


@over_pairs
async def test_one_cold_variant_on_three_instances_is_one_job(calm: Fleet) -> None:
    calm.imaginary.answer(Answer(png_of(200_000), delay=0.5))
    asked = [calm.get(index % 3) for index in range(60)]
    responses = await asyncio.gather(*asked)
    assert {response.status for response in responses} == {200}
    told = Counter(response.headers["cache-status"] for response in responses)
    assert told[NOT_STORED] == 0, told
    assert len({digest(response.body) for response in responses}) == 1
    assert len({response.headers["etag"] for response in responses}) == 1
    assert calm.imaginary.made == 1
    assert calm.origin.counts["/photo.png"] == 1


@over_pairs
async def test_many_cold_variants_on_three_instances_are_one_job_each(calm: Fleet) -> None:
    widths = range(100, 130)
    asked = [calm.get(index, width) for width in widths for index in range(3)]
    assert {response.status for response in await asyncio.gather(*asked)} == {200}
    assert calm.imaginary.made == len(widths)


@over_pairs
async def test_what_one_instance_kept_another_finds_in_the_bucket(calm: Fleet) -> None:
    body = png_of(6 * 1024 * 1024)  # above what is held in memory, and above one part of an upload
    calm.imaginary.answer(Answer(body))
    assert await calm.status(0) == STORED
    await until(partial(calm.status, 0), BUCKET)  # the response ends before the picture is kept
    for index in (1, 2, 0):
        response = await calm.get(index)
        assert response.headers["cache-status"] == BUCKET
        assert digest(response.body) == digest(body)
    assert calm.imaginary.made == 1


@over_pairs
async def test_long_sources_and_large_results_pass(calm: Fleet) -> None:
    body = png_of(30 * 1024 * 1024)
    calm.imaginary.answer(Answer(body))
    path = f"/{'a' * 1950}.png"
    target = calm.target(path=path)
    first = await calm.servers[0].client.get(target)
    assert (first.status, digest(first.body)) == (200, digest(body))
    again = await calm.servers[1].client.get(target)
    assert digest(again.body) == digest(body)
    assert calm.imaginary.made == 1


FAULTS: dict[str, Callable[[Every], None]] = {"hangs": Every.hang, "resets": Every.reset}


@pytest.mark.parametrize("part", ["mongo", "s3"])
@pytest.mark.parametrize("fault", FAULTS)
@over_pairs
async def test_part_that_is_away_costs_hits_nothing_and_misses_only_their_keeping(
    here: Fleet, part: str, fault: str
) -> None:
    for index in range(3):
        await until(partial(here.status, index), HIT)
    relay: Every = getattr(here, part)
    FAULTS[fault](relay)
    told: Counter[str] = Counter()
    for widths in (
        range(200, 203),
        range(203, 206),
    ):  # then it is known to be away
        asked = [here.status(index, width) for width in widths for index in range(3)]
        misses = asyncio.gather(*asked)
        while not misses.done():
            for index in range(3):
                assert await here.status(index) == HIT
        told.update(await misses)
    assert sum(told.values()) == 18
    # Without the bucket only the end of a picture tells that it is not kept: its head was sent.
    assert set(told) <= ({NOT_STORED} if part == "mongo" else {NOT_STORED, STORED}), told
    slowest = max([(await here.get(index)).took for index in range(3)])
    assert slowest < 1.0  # seconds, where an exchange takes some milliseconds
    relay.let_pass()
    for index in range(3):
        await until(partial(cold, here, index), STORED)
    made = here.imaginary.made
    assert await here.status(0, 900) == STORED
    await until(partial(here.status, 0, 900), HIT)
    await until(partial(here.status, 1, 900), HIT)
    assert here.imaginary.made == made + 1


@over_pairs
async def test_restarted_parts_are_found_again_without_a_failed_request(here: Fleet) -> None:
    """Every connection that was kept is dead: the next request uses a new one."""
    assert await here.status(0) == STORED
    for round_ in range(5):
        here.mongo.reset_once()
        here.s3.reset_once()
        status = await here.status(round_ % 3, 200 + round_)
        assert status in (STORED, NOT_STORED)
        await until(partial(cold, here, 0), STORED)


@over_pairs
async def test_slow_parts_delay_no_hit(here: Fleet) -> None:
    assert await here.status(0) == STORED
    here.mongo.delay(0.1)
    here.s3.delay(0.1)
    assert (await here.get(0)).took < 0.5
    assert await here.status(0, 200) in (STORED, NOT_STORED)


@over_pairs
async def test_bucket_that_breaks_off_harms_no_response(here: Fleet) -> None:
    """Cut before the first byte: the picture is made. After it: the connection breaks."""
    body = png_of(6 * 1024 * 1024)
    here.imaginary.answer(Answer(body))
    await until(partial(here.status, 0), BUCKET)
    here.s3.relays[1].cut_after(1_000_000)
    response = await here.get(1)
    assert not response.whole or digest(response.body) == digest(body)
    here.s3.let_pass()
    await until(partial(whole, here, 1), BUCKET)
    again = await here.get(1)
    assert again.whole, again.headers
    assert digest(again.body) == digest(body)


async def refused(directory: Path, **settings: object) -> str:
    """What a server says that must not start."""
    server = Server(directory, **settings)
    try:
        with pytest.raises(AssertionError, match="did not start"):
            await server.start()
        assert await server.ended() == 2
    finally:
        await server.kill()
    return server.output


@over_pairs
async def test_mongodb_with_local_files_refuses_a_second_directory(
    tmp_path: Path, mongo: str, s3: str
) -> None:
    alone = {"mongo_connection_string": settings_of(mongo, s3)["mongo_connection_string"]}
    async with Server(tmp_path / "first", **alone):
        told = await refused(tmp_path / "second", **alone)
        assert "must share a bucket too" in told
        assert "IMCAXY_MINIO_ENDPOINT" in told


@pytest.mark.integration("minio")
async def test_sqlite_with_a_bucket_refuses_to_start(tmp_path: Path) -> None:
    endpoint = s3_endpoint("minio")
    told = await refused(
        tmp_path,
        minio_endpoint=endpoint.host,
        minio_access_key=endpoint.access_key,
        minio_secret_key=endpoint.secret_key,
    )
    assert "IMCAXY_MONGO_CONNECTION_STRING must be set too" in told
    assert endpoint.secret_key not in told


@pytest.mark.integration("secantus", "minio")
async def test_wrong_secrets_are_told_and_never_printed(tmp_path: Path) -> None:
    endpoint = s3_endpoint("minio")
    uri = mongo_uri("secantus").replace("://", "://somebody:hidden-password@")
    server = Server(
        tmp_path,
        mongo_connection_string=uri,
        minio_endpoint=endpoint.host,
        minio_access_key=endpoint.access_key,
        minio_secret_key=endpoint.secret_key,
    )
    try:
        with pytest.raises(AssertionError, match="did not start"):
            await server.start()
        assert await server.ended() == 1
    finally:
        await server.kill()
    assert "does not accept the user or the password" in server.output
    assert "hidden-password" not in server.output
    assert endpoint.secret_key not in server.output
