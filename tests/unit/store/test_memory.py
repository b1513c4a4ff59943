from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.variant import LogPosition
from imcaxy.store.catalog.base import Entry
from imcaxy.store.memory import _GHOST, Held, MemoryTier
from tests.fakes.rows import an_entry

BODY = b"x" * 10_000


def named(name: str, *keys: str, as_of: int = 0) -> Entry:
    return an_entry(
        f"blob-{name}", signature=name, keys=keys, as_of=LogPosition(as_of, f"r{as_of}")
    )


def test_get_after_put_gives_entry_and_body() -> None:
    tier = MemoryTier(1_000_000)
    assert tier.put(named("a"), BODY)
    held = tier.get("a")
    assert held is not None
    assert (held.entry, held.body) == (named("a"), BODY)
    assert tier.get("b") is None


def test_full_tier_drops_the_oldest_that_was_not_used() -> None:
    weight = Held(named("a"), BODY).weight
    tier = MemoryTier(weight * 4)
    for name in "abcd":
        tier.put(named(name), BODY)
    tier.get("a")
    tier.put(named("e"), BODY)
    assert tier.get("b") is None
    assert tier.get("a") is not None
    assert weight * 3 <= tier.bytes <= weight * 4


def test_crawl_leaves_what_is_used() -> None:
    tier = MemoryTier(Held(named("a"), BODY).weight * 40)
    used = [f"used-{n}" for n in range(25)]
    for name in used * 2:
        if tier.get(name) is None:
            tier.put(named(name), BODY)
    for n in range(10_000):
        tier.put(named(f"crawled-{n}"), BODY)
    assert all(tier.get(name) for name in used)


def test_what_comes_back_soon_stays_longer() -> None:
    weight = Held(named("a"), BODY).weight
    tier = MemoryTier(weight * 40)
    tier.put(named("a"), BODY)
    for n in range(45):
        tier.put(named(f"crawled-{n}"), BODY)
    assert tier.get("a") is None
    tier.put(named("a"), BODY)
    for n in range(45, 90):
        tier.put(named(f"crawled-{n}"), BODY)
    assert tier.get("a") is not None


def test_hits_are_counted_since_somebody_looked() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a"), BODY)
    for _ in range(6):
        tier.get("a")
    held = tier.get("a")
    assert held is not None
    assert held.uses == 7


def test_same_blob_put_again_keeps_its_hits() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a"), BODY)
    held = tier.get("a")
    assert tier.put(named("a"), BODY)
    assert tier.get("a") is held


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
    tier.drop_keys(["old"], 9)
    assert len(tier) == 1
    tier.drop_keys(["new"], 9)
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
    tier.drop_keys(["file", "unknown"], below=5)
    assert tier.get("a") is None
    assert tier.get("b") is not None
    assert tier.get("c") is not None


def crowded() -> MemoryTier:
    """Holds a thousand variants under one key, every tenth of them newer."""
    tier = MemoryTier(10_000_000)
    for n in range(1000):
        tier.put(named(f"{n}", "host", f"file-{n}", as_of=9 if n % 10 == 0 else 1), b"x")
    return tier


def test_key_of_many_hides_at_once_and_removes_them_later() -> None:
    tier = crowded()
    before = tier.bytes
    tier.drop_keys(["host"], below=9)
    assert tier.bytes == before
    assert tier.get("1") is None
    assert tier.get("10") is not None
    for n in range(100):
        tier.put(named(f"new-{n}", "host", as_of=9), b"x")
    assert len(tier) == 200
    assert not tier._purged


def test_second_purge_of_many_takes_what_the_first_spared() -> None:
    tier = crowded()
    tier.drop_keys(["host"], below=9)
    tier.put(named("between", "host", as_of=9), b"x")
    tier.drop_keys(["host"], below=10)
    assert all(tier.get(f"{n}") is None for n in range(1000))
    assert tier.get("between") is None
    assert tier.bytes == 0


def test_variant_made_anew_during_the_removal_stays() -> None:
    tier = crowded()
    tier.drop_keys(["host"], below=9)
    for n in range(1000):
        tier.put(named(f"{n}", "host", f"file-{n}", as_of=9), b"y")
    assert all(tier.get(f"{n}") for n in range(1000))
    tier.drop_keys(["file-7"], below=10)
    assert tier.get("7") is None


def test_clear_leaves_nothing() -> None:
    tier = MemoryTier(1_000_000)
    tier.put(named("a", "k"), BODY)
    tier.clear()
    assert (len(tier), tier.bytes, tier.get("a")) == (0, 0, None)
    tier.drop_keys(["k"], 9)


calls = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "drop", "drop_keys"]),
        st.sampled_from("abcdef"),
        st.sets(st.sampled_from(["k1", "k2", "k3"])),
        st.integers(0, 20_000),
    ),
    max_size=60,
)


@given(calls, st.integers(0, 3))
def test_any_calls_keep_the_bound_and_the_account(
    calls: list[tuple[str, str, set[str], int]], at_once: int
) -> None:
    tier = MemoryTier(60_000)
    tier._at_once = at_once
    below = 1
    purged: dict[str, int] = {}
    for call, name, keys, size in calls:
        if call == "put":
            as_of = below - size % 2
            if all(purged.get(key, 0) <= as_of for key in keys):  # the store puts no other
                tier.put(named(name, *keys, as_of=as_of), b"x" * size)
        elif call == "get":
            if held := tier.get(name):
                entry = held.entry
                assert all(purged.get(key, 0) <= entry.as_of.number for key in entry.keys)
        elif call == "drop":
            tier.drop(name)
        else:
            below += 1
            purged.update(dict.fromkeys(keys, below))
            tier.drop_keys(keys, below)
        names = sum(held.weight for held in tier._held.values())
        assert tier.bytes == names + _GHOST * len(tier._ghost) <= 60_000
        assert tier._small_bytes == sum(held.weight for held in tier._small.values())
        assert tier._ghost_weight == sum(tier._ghost.values()) <= 60_000
        assert {**tier._small, **tier._main} == tier._held
        indexed = {(key, name) for key, names in tier._by_key.items() for name in names}
        going = {(key, name) for key, names in tier._going for name in names}
        expected = {(k, n) for n, held in tier._held.items() for k in held.entry.keys}
        assert indexed <= expected <= indexed | going
