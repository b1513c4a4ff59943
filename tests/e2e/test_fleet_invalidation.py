"""Gone means gone on every instance that shares a MongoDB, also on one that is cut off from it."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, fleet
from tests.e2e.harness import Answer, png_of
from tests.e2e.purging import SETTINGS, Told, invalidate, look
from tests.stores import MONGO, each

OLD, NEW = png_of(5_000, 1), png_of(5_000, 2)

pytestmark = [pytest.mark.slow, pytest.mark.integration("minio")]
over_servers = pytest.mark.parametrize("mongo", each(MONGO))


async def fill(here: Fleet) -> None:
    """Every instance has the old picture in memory."""
    here.imaginary.answer(Answer(OLD))
    async with asyncio.timeout(30):
        for index in range(3):
            while "memory" not in await here.status(index):
                await asyncio.sleep(0.05)
    here.imaginary.answer(Answer(NEW))


async def purge(here: Fleet) -> Told:
    return await invalidate(here.servers[0].client, here.origin.url + "/photo.png")


async def bodies(here: Fleet) -> set[bytes]:
    return {(await here.get(index)).body for index in range(3) for _ in range(5)}


@over_servers
async def test_picture_is_gone_from_every_instance(tmp_path: Path, mongo: str) -> None:
    async with fleet(tmp_path, mongo, "minio", store_timeout=10, **SETTINGS) as here:
        for _ in range(5):
            await fill(here)
            told = await purge(here)
            assert told.status == 200, told.body
            assert told.body["removed"] >= 1
            assert await bodies(here) == {NEW}
            await invalidate(here.servers[1].client, here.origin.url + "/photo.png")


@over_servers
async def test_instance_that_is_cut_off_is_named_and_forgets_by_itself(
    tmp_path: Path, mongo: str
) -> None:
    settings = {"purge_timeout": 2, "offline_grace": 5, **SETTINGS}
    async with fleet(tmp_path, mongo, "minio", **settings) as here:
        await fill(here)
        here.mongo.relays[2].hang()
        told = await purge(here)
        assert told.status == 202, told.body
        assert len(told.body["unconfirmed"]) == 1
        assert {(await here.get(index)).body for index in (0, 1)} == {NEW}
        await asyncio.sleep(10)  # the grace, and the time that a request gives the log
        assert (await here.get(2)).body == NEW
        here.mongo.relays[2].let_pass()
        async with asyncio.timeout(30):
            while True:
                found = await look(here.servers[1].client, f"/invalidations/{told.body['number']}")
                if not found.body["unconfirmed"]:
                    break
                await asyncio.sleep(0.1)
        assert await bodies(here) == {NEW}


@over_servers
async def test_killed_instance_of_this_machine_is_not_waited_for(
    tmp_path: Path, mongo: str
) -> None:
    async with fleet(tmp_path, mongo, "minio", store_timeout=10, **SETTINGS) as here:
        await fill(here)
        await here.servers[2].kill()
        told = await purge(here)
        assert told.status == 200, told.body
