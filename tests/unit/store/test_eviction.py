from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.store.catalog.base import Entry, Usage
from imcaxy.store.eviction import Marks, Taken, excess, footprint, slack, taken, victims, worth
from tests.fakes.rows import an_entry

NOW = 1_000_000.0
MARKS = Marks(1000)


def entry(
    name: str = "a", size: int = 10_000, cost: float = 0.2, idle: float = 3600, uses: int = 3
) -> Entry:
    return an_entry(name, bytes(size), cost=cost, used=NOW - idle, uses=uses)


@pytest.mark.parametrize(
    "worse",
    [
        entry(idle=7200),
        entry(uses=0),
        entry(size=40_000),
        entry(cost=0.1),
    ],
    ids=["idle longer", "used less", "larger", "cheaper to make"],
)
def test_worth_is_less_for_an_entry_worse_in_one_respect(worse: Entry) -> None:
    assert worth(worse, NOW) < worth(entry(), NOW)


def test_worth_of_an_entry_used_in_the_future_is_that_of_one_used_now() -> None:
    assert worth(entry(idle=-500), NOW) == worth(entry(idle=0), NOW)


def test_victims_are_those_of_least_worth_until_enough_is_freed() -> None:
    page = [entry("cheap", cost=0.01), entry("dear", cost=9.0), *(entry(f"e{n}") for n in range(8))]
    assert [each.blob for each in victims(page, NOW, 1)] == ["cheap"]


def test_victims_are_at_most_half_of_the_page() -> None:
    page = [entry(f"e{n}") for n in range(10)]
    assert len(victims(page, NOW, 10**9)) == 5
    assert len(victims(page[:1], NOW, 10**9)) == 1
    assert victims([], NOW, 10**9) == []


def test_excess_is_down_to_the_low_mark_once_the_high_one_is_passed() -> None:
    assert excess(Taken(900, 0, 0), MARKS) == 0
    assert excess(Taken(901, 0, 0), MARKS) == 101


def test_excess_does_not_count_trash_that_goes_by_itself() -> None:
    assert excess(Taken(800, 0, 200), MARKS) == 0
    assert excess(Taken(810, 0, 200), MARKS) == 10


def test_excess_counts_claims_up_to_a_quarter_since_others_follow_them() -> None:
    assert excess(Taken(800, 100, 0), MARKS) == 0
    assert excess(Taken(800, 101, 0), MARKS) == 101
    assert excess(Taken(800, 500, 0), MARKS) == 250
    assert excess(Taken(500, 500, 0), MARKS) == 0


@given(st.integers(0, 10**8))
def test_footprint_is_above_the_length_by_less_than_a_block_and_a_row(length: int) -> None:
    assert 0 < footprint(length) - length < 8192


def test_taken_counts_rows_as_well_as_bytes() -> None:
    assert taken(Usage(0, 0, claims=1000)).total > 500_000  # pictures that could not be kept, too
    used = taken(Usage(1000, 0, 10, 0))
    assert used.entries > 1000 * 2048
    assert used.goes == used.entries // 100
    assert used.total == used.entries + used.claims + used.goes


def test_slack_is_what_the_catalogs_file_has_beside_its_rows() -> None:
    full = Usage(100, 10**6, 20, 10**5, 30, 0)
    rows = taken(replace(full, entry_bytes=0, trash_bytes=0, claims=0)).total
    assert slack(replace(full, catalog_bytes=rows // 3)) == 0
    assert slack(replace(full, catalog_bytes=10 * rows)) > 8 * rows


def test_claims_to_come_count_by_what_the_catalogs_file_would_grow() -> None:
    claims = Usage(0, 0, claims=1000)
    there = 1000 * 1024
    counted = [
        taken(replace(claims, catalog_bytes=size)).total
        for size in (0, 1, there // 2, there, 9 * there)
    ]
    assert counted == [2 * there, there + 1, there + there // 2, 2 * there, 2 * there]
