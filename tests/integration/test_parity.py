"""Our answers beside those of the real Imaginary; the whole comparison is `make parity`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.parity.asking import Both, both
from tests.parity.comparison import ALIKE, ask_and_compare
from tests.parity.examples import CLIENTS, DOCUMENTED
from tests.parity.likeness import likeness
from tests.parity.requests import OPERATIONS, requests
from tests.parity.sources import originals

pytestmark = pytest.mark.integration("imaginary-program")


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Both]:
    async with both(tmp_path) as asked:
        yield asked


async def test_random_requests_are_answered_as_by_imaginary(servers: Both) -> None:
    report = await ask_and_compare(servers, requests(200, seed=20))
    assert report.unexplained == [], "\n".join(report.lines())
    plain = sorted(score for score, _, excuse in report.similarities if excuse is None)
    assert len(plain) > 30
    assert plain[len(plain) // 2] > 0.99
    assert plain[0] >= ALIKE


def test_requests_are_about_every_operation_and_source() -> None:
    asked = requests(2000, seed=1)
    assert {each.operation for each in asked} >= set(OPERATIONS)
    assert {each.source for each in asked} >= set(originals())
    assert len(originals()) >= 40
    assert requests(50, seed=1) == asked[:50]


async def test_documented_requests_are_answered_as_by_imaginary(servers: Both) -> None:
    source = f"{servers.origin}/jpeg-shipped"
    for example in (*DOCUMENTED, *CLIENTS):
        if not example.post:
            ours, theirs = await servers.get_both(example.at(source))
            assert (ours.status, theirs.status) == (200, 200), example.target
            assert (ours.width, ours.height) == (theirs.width, theirs.height), example.target
            assert ours.media_type == theirs.media_type, example.target
            assert likeness(ours.picture(), theirs.picture()).similarity > 0.9, example.target
