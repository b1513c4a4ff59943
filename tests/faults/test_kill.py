"""`kill -9` at random instants leaves nothing torn to be served, and no garbage after a sweep."""

import random
from pathlib import Path

import pytest

from tests.faults.kill import Killing

ROUNDS = 25


@pytest.mark.slow
async def test_kill_at_random_instants_leaves_nothing_torn_and_no_garbage(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    tally = await Killing(tmp_path, seed).run(ROUNDS)
    assert tally.faults == [], seed
    assert tally.rounds == ROUNDS
    assert tally.disk > 0, "no round read what an earlier one had kept"
    assert tally.made > ROUNDS, "the rounds were too short to make pictures"
