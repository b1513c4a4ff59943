"""Shortened: the whole of it is `make torture`."""

import pytest

from tests.faults.torture import MUTANTS, torture


@pytest.mark.slow
def test_no_old_picture_is_served_after_an_answered_invalidation() -> None:
    tally = torture(rounds=60, seed=20)
    assert tally.faults == []
    assert tally.reads > 1000


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_rule_that_is_switched_off_is_noticed(mutant: str) -> None:
    """Within 300 rounds: else the torture would prove nothing of that rule."""
    assert torture(rounds=300, seed=7, mutant=mutant).faults
