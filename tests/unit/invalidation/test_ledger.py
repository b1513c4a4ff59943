from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.ledger import Ledger
from tests.fakes.rows import a_record


class Watching:
    """A subscriber that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, tuple[str, ...]]] = []
        self.resets: list[int] = []
        self.let_go_of = 0

    def apply(self, number: int, keys: Collection[str]) -> None:
        self.told.append((number, tuple(keys)))

    def let_go(self) -> None:
        self.let_go_of += 1

    def reset(self, number: int) -> None:
        self.resets.append(number)


def position(number: int) -> LogPosition:
    return LogPosition(number, f"r{number}")


def test_record_applied_makes_older_bytes_of_its_keys_stale() -> None:
    watching = Watching()
    ledger = Ledger(watching)
    ledger.apply(a_record(1, "file"))
    ledger.apply(a_record(2, "other", "folder"))
    assert watching.told == [(1, ("file",)), (2, ("other", "folder"))]
    assert ledger.position == position(2)
    assert not ledger.allows(["file", "*"], position(0))
    assert ledger.allows(["file", "*"], position(1))
    assert ledger.allows(["elsewhere", "*"], position(0))
    assert not ledger.allows(["elsewhere", "folder"], position(1))
    assert ledger.allows(["folder"], position(2))


def test_keys_past_the_bound_make_it_stricter_and_never_more_lenient() -> None:
    ledger = Ledger(remembered=2)
    for number, key in enumerate("abc", 1):
        ledger.apply(a_record(number, key))
    assert not ledger.allows(["a"], position(0))
    assert not ledger.allows(["never hit"], position(0))
    assert ledger.allows(["never hit"], position(1))
    assert not ledger.allows(["c"], position(2))


def test_key_hit_again_is_remembered_longest() -> None:
    ledger = Ledger(remembered=2)
    for number, key in enumerate("abac", 1):
        ledger.apply(a_record(number, key))
    assert not ledger.allows(["a"], position(2))
    assert ledger.allows(["a"], position(3))


def test_other_log_leaves_nothing_held_and_nothing_older_allowed() -> None:
    watching = Watching()
    ledger = Ledger(watching)
    ledger.apply(a_record(1, "file"))
    ledger.reset(LogPosition(7, "restored"))
    assert watching.resets == [7]
    assert ledger.position == LogPosition(7, "restored")
    assert not ledger.allows(["elsewhere"], position(6))
    assert ledger.allows(["file"], LogPosition(7, "restored"))


def test_grace_that_is_over_leaves_nothing_held() -> None:
    watching = Watching()
    ledger = Ledger(watching)
    ledger.begin(position(4))
    ledger.forget()
    assert (watching.let_go_of, watching.resets) == (1, [])
    assert ledger.position == position(4)


@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=3), max_size=12),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_nothing_hit_by_a_later_record_is_ever_allowed(
    records: list[list[str]], keys: list[str], age: int, remembered: int
) -> None:
    ledger = Ledger(remembered=remembered)
    for number, hit in enumerate(records, 1):
        ledger.apply(a_record(number, *hit))
    stale = any(set(hit) & set(keys) for number, hit in enumerate(records, 1) if number > age)
    if stale:
        assert not ledger.allows(keys, position(age))
