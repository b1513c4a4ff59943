"""Three instances with everything real: Imaginary, an S3 server and a server of MongoDB's kind."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.place import free_port
from tests import real
from tests.corpus import sample
from tests.e2e.fleet import Fleet, fleet
from tests.e2e.harness import Answer
from tests.e2e.scripted import PATIENCE
from tests.integration.imaginaries import imaginary

PAIRS = [("ferretdb", "minio"), ("secantus", "versitygw"), ("secantus", "minio")]
pytestmark = [pytest.mark.slow, pytest.mark.integration("imaginary")]
over_pairs = pytest.mark.parametrize(
    ("mongo", "s3"),
    [pytest.param(*pair, marks=pytest.mark.integration(*pair)) for pair in PAIRS],
)


def with_photograph(here: Fleet) -> None:
    jpeg = sample("astronaut.jpg").write_to_buffer(".jpg")
    here.origin.script("/photo.png", Answer(jpeg, media_type="image/jpeg"))


@pytest.fixture
async def here(tmp_path: Path, mongo: str, s3: str) -> AsyncIterator[Fleet]:
    url = real.address("imaginary")
    async with fleet(tmp_path, mongo, s3, imaginary_service_url=url, store_timeout=20) as found:
        with_photograph(found)
        yield found


@over_pairs
async def test_one_cold_variant_asked_for_by_many_of_three_instances_is_one_job(
    here: Fleet,
) -> None:
    answers = await asyncio.gather(*(here.get(index % 3) for index in range(30)))
    assert {(answer.status, answer.whole) for answer in answers} == {(200, True)}
    assert len({answer.body for answer in answers}) == 1
    assert here.origin.counts["/photo.png"] == 1
    assert len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.integration("imaginary-program", "secantus", "minio")
async def test_imaginary_that_is_away_costs_hits_nothing_and_is_found_again(
    tmp_path: Path,
) -> None:
    port = free_port()
    chosen = {
        "imaginary_service_url": f"http://127.0.0.1:{port}",
        "store_timeout": 20,
        "remember_failures": 0,
    }
    async with fleet(tmp_path, "secantus", "minio", **chosen) as here:
        with_photograph(here)
        async with imaginary(port=port):
            for index in range(3):
                assert (await here.get(index, 50)).status == 200
        for index in range(3):
            assert (await here.get(index, 50)).status == 200
            missed = await here.get(index, 51 + index)
            assert missed.status == 503
            assert int(missed.headers["retry-after"]) >= 1
        async with imaginary(port=port), asyncio.timeout(PATIENCE):
            for index in range(3):
                while (await here.get(index, 51 + index)).status != 200:
                    await asyncio.sleep(0.1)
