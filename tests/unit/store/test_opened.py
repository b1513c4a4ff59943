from dataclasses import replace

from imcaxy.grammar.variant import LogPosition
from imcaxy.store.opened import VERIFIED_FOR, OpenBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.rows import an_entry


class Blob:
    stale = False
    changed = False
    descriptor = -1

    def is_resident(self, start: int, stop: int) -> bool:
        return False

    def is_ready(self, now: float) -> bool:
        return False

    def unchanged(self) -> bool:
        self.stale = self.changed
        return not self.changed

    def read_now(self, start: int, stop: int) -> bytearray | None:
        return None


def opened(limit: int = 10) -> tuple[OpenBlobs, FakeClock]:
    clock = FakeClock()
    return OpenBlobs(limit, clock), clock


def put(blobs: OpenBlobs, name: str, *keys: str, as_of: int = 0) -> Blob:
    blob = Blob()
    entry = replace(an_entry(name), signature=name, keys=keys, as_of=LogPosition(as_of, ""))
    blobs.put(entry, blob)
    return blob


def test_blob_is_found_by_its_signature() -> None:
    blobs, _ = opened()
    blob = put(blobs, "a", "key")
    found = blobs.get("a")
    assert found is not None
    assert found.blob is blob
    assert blobs.get("b") is None


def test_one_more_than_the_limit_takes_the_place_of_the_one_not_used_for_longest() -> None:
    blobs, _ = opened(2)
    for name in ("a", "b"):
        put(blobs, name)
    blobs.get("a")
    put(blobs, "c")
    assert [blobs.get(name) is not None for name in "abc"] == [True, False, True]


def test_invalidation_drops_what_is_older_under_its_keys() -> None:
    blobs, _ = opened()
    put(blobs, "old", "key", as_of=1)
    put(blobs, "new", "key", as_of=2)
    put(blobs, "other", "elsewhere", as_of=1)
    blobs.drop_keys(["key", "unknown"], 2)
    assert [blobs.get(name) is not None for name in ("old", "new", "other")] == [False, True, True]
    blobs.clear()
    assert len(blobs) == 0
    blobs.drop_keys(["key"], 9)


def test_older_entry_does_not_take_the_place_of_a_newer_one() -> None:
    blobs, _ = opened()
    newer = put(blobs, "a", "key", as_of=2)
    put(blobs, "a", "key", as_of=1)
    found = blobs.get("a")
    assert found is not None
    assert found.blob is newer


async def test_blob_has_to_be_verified_again_after_a_while() -> None:
    blobs, clock = opened()
    put(blobs, "a")
    await clock.advance(VERIFIED_FOR - 1)
    assert blobs.get("a") is not None
    await clock.advance(1)
    assert blobs.get("a") is None
    assert len(blobs) == 0


def test_stale_blob_is_not_given() -> None:
    blobs, _ = opened()
    put(blobs, "a").stale = True
    assert blobs.get("a") is None


async def test_pruning_lets_go_of_what_was_deleted() -> None:
    blobs, _ = opened()
    put(blobs, "a", "key").changed = True
    put(blobs, "b", "key")
    await blobs.prune()
    assert len(blobs) == 1
