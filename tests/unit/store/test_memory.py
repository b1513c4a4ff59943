from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.variant import LogPosition
from imcaxy.store.catalog.base import Entry
from imcaxy.store.memory import Held, MemoryTier
from tests.fakes.rows import an_entry

BODY = b"x" * 10_000


def named(name: str, *keys: str, as_of: int = 0) -> Entry:
    return an_entry(
        f"blob-{name}", signature=name, keys=keys, as_of=LogPosition(as_of, f"r{as_of}")
    )


def test_get_after_put_gives_entry_and_body() -> None:
    tier = MemoryTier(1_000_000)
    assert tier.put(named("a"), BODY)
    assert tier.get("a") == Held(named("a"), BODY)
    assert tier.get("b") is None


def test_full_tier_drops_the_least_recently_used() -> None:
    weight = Held(named("a"), BODY).weight
    tier = MemoryTier(weight * 4)
    for name in "abcd":
        tier.put(named(name), BODY)
    tier.get("a")
    tier.put(named("e"), BODY)
    assert tier.get("b") is None
    assert all(tier.get(name) for name in "acde")
    assert tier.bytes == weight * 4


def test_metadata_is_weighed_with_the_body() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", *(f"key-{n}" for n in range(50))), b"")
    assert tier.bytes > 50 * 100


def test_entry_above_a_quarter_of_the_limit_is_not_admitted() -> None:
    tier = MemoryTier(30_000)
    assert not tier.put(named("a"), BODY)
    assert (len(tier), tier.bytes) == (0, 0)


def test_replaced_entry_is_weighed_once_and_leaves_its_keys() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", "old"), BODY)
    tier.put(named("a", "new", as_of=1), b"y")
    assert len(tier) == 1
    assert tier.bytes == Held(named("a", "new", as_of=1), b"y").weight
    assert tier.drop_keys(["old"], 9) == 0
    assert tier.drop_keys(["new"], 9) == 1
    assert tier.bytes == 0


def test_older_as_of_does_not_replace_a_newer_one() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", as_of=2), b"new")
    assert not tier.put(named("a", as_of=1), b"old")
    held = tier.get("a")
    assert held is not None
    assert held.body == b"new"


def test_entry_that_is_not_admitted_is_not_held() -> None:
    tier = MemoryTier(1_000_000, lambda entry: entry.signature != "a")
    assert not tier.put(named("a"), BODY)
    assert tier.put(named("b"), BODY)


def test_drop_keys_spares_what_is_new_enough() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", "file", "*", as_of=4), BODY)
    tier.put(named("b", "file", "*", as_of=5), BODY)
    tier.put(named("c", "other", "*", as_of=4), BODY)
    assert tier.drop_keys(["file", "unknown"], below=5) == 1
    assert tier.get("a") is None
    assert tier.get("b") is not None
    assert tier.get("c") is not None


def test_renew_changes_only_the_blob_that_is_held() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a"), BODY)
    tier.renew(an_entry("blob-a", signature="a", keys=(), used=9.0))
    tier.renew(an_entry("another", signature="a", keys=(), used=10.0))
    held = tier.get("a")
    assert held is not None
    assert held.entry.used == 9.0


def test_clear_leaves_nothing() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", "k"), BODY)
    tier.clear()
    assert (len(tier), tier.bytes, tier.get("a")) == (0, 0, None)
    assert tier.drop_keys(["k"], 9) == 0


calls = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "drop", "drop_keys"]),
        st.sampled_from("abcdef"),
        st.sets(st.sampled_from(["k1", "k2", "k3"])),
        st.integers(0, 20_000),
    ),
    max_size=60,
)


@given(calls)
def test_any_calls_keep_the_bound_and_the_account(
    calls: list[tuple[str, str, set[str], int]],
) -> None:
    tier = MemoryTier(60_000)
    for call, name, keys, size in calls:
        if call == "put":
            tier.put(named(name, *keys), b"x" * size)
        elif call == "get":
            tier.get(name)
        elif call == "drop":
            tier.drop(name)
        else:
            tier.drop_keys(keys, 1)
        assert tier.bytes == sum(held.weight for held in tier._held.values()) <= 60_000
        indexed = {(key, name) for key, names in tier._by_key.items() for name in names}
        assert indexed == {(k, n) for n, held in tier._held.items() for k in held.entry.keys}
