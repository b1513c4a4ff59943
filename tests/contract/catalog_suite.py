"""What every catalog must do; an adapter's test file subclasses this and gives `open_catalog`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from imcaxy.errors import CatalogError, SettingsError
from imcaxy.grammar.variant import LOG_START, LogPosition
from imcaxy.store.catalog.base import CONFIRMED, Catalog, Cleared, Seen, Trash, Usage
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance

# Opens one more catalog on the same rows, not started; the fixture closes what it opened.
OpenCatalog = Callable[[], Catalog]


class CatalogSuite:
    @pytest.fixture
    async def catalog(self, open_catalog: OpenCatalog) -> AsyncIterator[Catalog]:
        catalog = open_catalog()
        await catalog.start("blobs-1")
        yield catalog
        await catalog.close()

    @pytest.fixture
    async def other(self, open_catalog: OpenCatalog, catalog: Catalog) -> AsyncIterator[Catalog]:
        other = open_catalog()
        await other.start("blobs-1")
        yield other
        await other.close()

    async def test_head_of_new_catalog_is_log_start(self, catalog: Catalog) -> None:
        assert await catalog.head() == LOG_START

    async def test_record_appended_comes_back_equal(self, catalog: Catalog) -> None:
        record = a_record(1, "file", "héro", commit="", project="")
        assert await catalog.append(record)
        assert list(await catalog.records(1, 10)) == [record]
        assert await catalog.head() == LogPosition(1, "r1")

    async def test_last_record_that_names_one_of_the_keys_is_told(self, catalog: Catalog) -> None:
        for number, key in ((1, "a"), (2, "b"), (3, "c")):
            await catalog.append(a_record(number, key, "shared"))
        found = await catalog.last_naming(["b", "a"])
        assert found is not None
        assert found.number == 2
        shared = await catalog.last_naming(["shared", "a"])
        assert shared is not None
        assert shared.number == 3
        assert await catalog.last_naming(["d"]) is None
        assert await catalog.last_naming([]) is None

    async def test_join_opens_what_is_there_whatever_the_blob_store(
        self, open_catalog: OpenCatalog, catalog: Catalog
    ) -> None:
        await catalog.append(a_record(1, "a"))
        joined = open_catalog()
        try:
            await joined.join()
            assert await joined.head() == LogPosition(1, "r1")
            assert await joined.append(a_record(2, "b"))
        finally:
            await joined.close()

    async def test_join_where_no_server_was_is_an_error_and_makes_nothing(
        self, open_catalog: OpenCatalog
    ) -> None:
        for _ in range(2):
            joined = open_catalog()
            try:
                with pytest.raises(CatalogError):
                    await joined.join()
            finally:
                await joined.close()

    async def test_number_taken_append_is_false_and_changes_nothing(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        first, second = a_record(1, "a"), a_record(1, "b", request="mine")
        assert await catalog.append(first)
        assert not await other.append(second)
        assert list(await other.records(1, 10)) == [first]

    async def test_records_are_ascending_from_first_within_limit(self, catalog: Catalog) -> None:
        for number in (1, 2, 3, 4):
            await catalog.append(a_record(number, "k"))
        assert [record.number for record in await catalog.records(2, 2)] == [2, 3]

    async def test_records_from_zero_begin_with_the_schemas_own(self, catalog: Catalog) -> None:
        first = (await catalog.records(0, 10))[0]
        assert LogPosition(first.number, first.request) == LOG_START
        assert first.keys == ()

    async def test_race_for_one_number_has_one_winner(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        for number in range(1, 11):
            won = await asyncio.gather(
                *(
                    place.append(a_record(number, request=f"{number}-{index}"))
                    for index, place in enumerate((catalog, other) * 4)
                )
            )
            assert won.count(True) == 1

    async def test_request_taken_append_is_false_and_its_record_is_found(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        first = a_record(1, "a", request="mine")
        assert await catalog.append(first)
        assert not await other.append(a_record(2, "a", request="mine"))
        assert await other.record_of("mine") == first
        assert await other.record_of("r2") is None
        assert await catalog.head() == LogPosition(1, "mine")

    async def test_latest_is_the_projects_newest_with_a_commit(self, catalog: Catalog) -> None:
        for number, project, commit in (
            (1, "shop", "old"),
            (2, "shop", "new"),
            (3, "shop", ""),
            (4, "blog", "other"),
        ):
            await catalog.append(a_record(number, project=project, commit=commit))
        latest = await catalog.latest("shop")
        assert latest is not None
        assert (latest.number, latest.commit) == (2, "new")
        assert await catalog.latest("Shop") is None

    async def test_cleared_pages_are_kept_once_and_in_order(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        page = Cleared(1, 2, ("resize?url=é",))
        assert await catalog.add_cleared(page)
        assert not await other.add_cleared(Cleared(1, 2, ("another",), last=True))
        assert await other.add_cleared(Cleared(1, CONFIRMED))
        assert await other.add_cleared(Cleared(2, CONFIRMED))
        assert list(await catalog.cleared(1)) == [Cleared(1, CONFIRMED), page]
        assert list(await catalog.cleared(3)) == []

    async def test_commit_is_answered_once_its_record_is_confirmed(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1, commit="first"))
        await catalog.append(a_record(2, commit=""))
        await catalog.add_cleared(Cleared(2, CONFIRMED))
        await catalog.add_cleared(Cleared(1, 1))
        assert await catalog.is_answered("first") is False
        assert await catalog.is_answered("") is None
        assert await catalog.is_answered("never") is None
        await catalog.add_cleared(Cleared(1, CONFIRMED))
        assert await catalog.is_answered("first") is True

    async def test_uncleared_are_records_without_a_last_page(self, catalog: Catalog) -> None:
        for number in (1, 2, 3, 4):
            await catalog.append(a_record(number, "k"))
        await catalog.add_cleared(Cleared(2, 1, last=True))
        await catalog.add_cleared(Cleared(3, 1, ("resize?",)))
        assert list(await catalog.uncleared(0, 10)) == [1, 3, 4]
        assert list(await catalog.uncleared(2, 1)) == [3]

    async def test_hits_of_a_record_are_what_was_live_until_it(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry("blob-1", keys=("file", "*")))
        await catalog.append(a_record(1, "file"))
        await catalog.insert_entry(
            an_entry("blob-2", keys=("file", "*"), as_of=LogPosition(1, "r1"))
        )
        await catalog.insert_entry(
            an_entry("blob-3", keys=("file", "*"), as_of=LogPosition(1, "lost"))
        )
        await catalog.insert_entry(an_entry("blob-4", keys=("other", "*")))
        await catalog.append(a_record(2, "file", "*"))
        assert dict(await catalog.count_hits(["file", "*", "none"], 2, 9)) == {
            "file": 1,
            "*": 2,
            "none": 0,
        }
        assert dict(await catalog.count_hits(["*"], 2, 1)) == {"*": 1}
        hit = await catalog.hits(["file", "*"], 2, 10)
        assert sorted(entry.blob for entry in hit) == ["blob-2", "blob-4"]
        assert [entry.blob for entry in await catalog.hits(["file"], 1, 10)] == ["blob-1"]
        assert len(await catalog.hits(["file", "*"], 2, 1)) == 1
        assert dict(await catalog.count_hits(["file"], 3, 9)) == {"file": 0}

    async def test_stale_are_all_with_a_key_and_below(self, catalog: Catalog) -> None:
        for number in (1, 2):
            await catalog.append(a_record(number, "file"))
        await catalog.insert_entry(an_entry("blob-1"))
        await catalog.insert_entry(an_entry("blob-2", as_of=LogPosition(1, "r1")))
        await catalog.insert_entry(an_entry("blob-3", as_of=LogPosition(2, "r2")))
        stale = await catalog.stale(["file", "host"], 2, 10)
        assert sorted(entry.blob for entry in stale) == ["blob-1", "blob-2"]
        assert len(await catalog.stale(["file", "host"], 2, 1)) == 1

    async def test_entries_deleted_together_are_buried_each(self, catalog: Catalog) -> None:
        for blob in ("blob-1", "blob-2", "blob-3"):
            await catalog.insert_entry(an_entry(blob, signature=blob))
        await catalog.delete_entries(["blob-1", "blob-3", "blob-9"], 50.5)
        assert await catalog.named(["blob-1", "blob-2", "blob-3"]) == {"blob-2"}
        assert await catalog.named([]) == frozenset()
        buried = [row.blob for row in await catalog.trash(51, 10)]
        assert sorted(buried) == ["blob-1", "blob-3", "blob-9"]
        assert [entry.blob for entry in await catalog.stale(["file"], 9, 10)] == ["blob-2"]

    async def test_entry_inserted_is_found_equal(self, catalog: Catalog, other: Catalog) -> None:
        seen = (Seen("https://h/é.jpg", 'W/"tag"', "", "5eed"), Seen("https://h/b", "", "x", "6"))
        entry = an_entry(seen=seen)
        await catalog.insert_entry(entry)
        assert await other.find("signature") == entry
        assert await other.named(["blob-1"]) == {"blob-1"}

    async def test_unknown_signature_finds_none(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        assert await catalog.find("another") is None
        assert not await catalog.named(["another"])

    async def test_blob_named_twice_raises_and_keeps_the_first(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        with pytest.raises(CatalogError):
            await catalog.insert_entry(an_entry(signature="another"))
        assert await catalog.find("another") is None
        assert await catalog.find("signature") == an_entry()

    @pytest.mark.parametrize("key", ["file", "folder", "host", "*"])
    async def test_later_record_with_a_shared_key_hides_the_entry(
        self, catalog: Catalog, other: Catalog, key: str
    ) -> None:
        await catalog.insert_entry(an_entry())
        assert await other.append(a_record(1, "unrelated", key))
        assert await catalog.find("signature") is None

    async def test_later_record_without_shared_key_leaves_the_entry(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        await catalog.append(a_record(1, "elsewhere"))
        assert await catalog.find("signature") == an_entry()

    async def test_entry_as_of_the_record_is_live(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1, "file"))
        entry = an_entry(as_of=LogPosition(1, "r1"))
        await catalog.insert_entry(entry)
        assert await catalog.find("signature") == entry

    async def test_entry_as_of_another_logs_record_is_not_live(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1, "elsewhere"))
        await catalog.insert_entry(an_entry(as_of=LogPosition(1, "lost in the restore")))
        await catalog.insert_entry(an_entry("blob-2", as_of=LogPosition(7, "never written")))
        assert await catalog.find("signature") is None
        assert len(await catalog.inert_entries(10)) == 2

    async def test_highest_as_of_of_the_live_is_found(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1, "elsewhere"))
        newer = an_entry("blob-1", as_of=LogPosition(1, "r1"))
        await catalog.insert_entry(newer)
        await catalog.insert_entry(an_entry("blob-2"))
        assert await catalog.find("signature") == newer

    async def test_inert_are_those_behind_a_better_and_those_not_live(
        self, catalog: Catalog
    ) -> None:
        await catalog.append(a_record(1, "gone"))
        await catalog.insert_entry(an_entry("blob-1"))
        await catalog.insert_entry(an_entry("blob-2", as_of=LogPosition(1, "r1")))
        await catalog.insert_entry(an_entry("blob-3", signature="third", keys=("gone", "*")))
        await catalog.insert_entry(an_entry("blob-4", signature="fourth"))
        inert = {entry.blob for entry in await catalog.inert_entries(10)}
        assert inert == {"blob-1", "blob-3"}
        assert len(await catalog.inert_entries(1)) == 1

    async def test_stale_entry_does_not_make_a_live_older_one_inert(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1, "elsewhere"))
        await catalog.append(a_record(2, "overlay"))
        live = an_entry("blob-1", keys=("file",))
        await catalog.insert_entry(live)
        await catalog.insert_entry(
            an_entry("blob-2", keys=("file", "overlay"), as_of=LogPosition(1, "r1"))
        )
        assert [entry.blob for entry in await catalog.inert_entries(10)] == ["blob-2"]
        assert await catalog.find("signature") == live

    async def test_entry_deleted_is_buried_and_not_found(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        await catalog.delete_entry("blob-1", 50.5)
        assert await catalog.find("signature") is None
        assert not await catalog.named(["blob-1"])
        assert list(await catalog.trash(51, 10)) == [Trash("blob-1", 50.5, 7)]

    async def test_entry_deleted_twice_renews_its_burial(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        await catalog.delete_entry("blob-1", 50)
        await catalog.delete_entry("blob-1", 60)
        assert list(await catalog.trash(100, 10)) == [Trash("blob-1", 60, 7)]

    async def test_oldest_entries_are_by_use(self, catalog: Catalog) -> None:
        for blob, used in (("blob-1", 3.0), ("blob-2", 1.0), ("blob-3", 2.0)):
            await catalog.insert_entry(an_entry(blob, signature=blob, used=used))
        await catalog.touch_entries({"blob-2": 3, "never kept": 1}, 9.0)
        assert [entry.blob for entry in await catalog.oldest_entries(2)] == ["blob-3", "blob-1"]

    async def test_uses_add_up_and_used_never_goes_back(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry(used=5.0))
        await catalog.touch_entries({"blob-1": 3}, 9.0)
        await catalog.touch_entries({"blob-1": 4}, 8.0)
        entry = await catalog.find("signature")
        assert entry is not None
        assert (entry.uses, entry.used) == (7, 9.0)

    async def test_usage_is_of_entries_and_trash(self, catalog: Catalog) -> None:
        assert await catalog.usage() == Usage(0, 0)
        await catalog.insert_entry(an_entry("blob-1", b"12345"))
        await catalog.insert_entry(an_entry("blob-2", b"123"))
        assert await catalog.usage() == Usage(2, 8)
        await catalog.delete_entry("blob-1", 50.5)
        await catalog.bury("blob-1", 60)
        assert await catalog.usage() == Usage(1, 3, 1, 5)
        await catalog.bury("of a dead job", 61)
        assert await catalog.usage() == Usage(1, 3, 2, 5)

    async def test_entries_after_are_in_the_order_of_names(self, catalog: Catalog) -> None:
        for blob in ("c", "a", "d", "b"):
            await catalog.insert_entry(an_entry(blob, signature=blob))
        assert [entry.blob for entry in await catalog.entries_after("", 2)] == ["a", "b"]
        assert [entry.blob for entry in await catalog.entries_after("b", 9)] == ["c", "d"]

    async def test_claim_inserted_comes_back_equal(self, catalog: Catalog, other: Catalog) -> None:
        claim = a_claim(1, as_of=LogPosition(4, "r4"))
        assert await catalog.insert_claim(claim)
        assert list(await other.claims("signature")) == [claim]

    async def test_first_claim_taken_in_one_step_comes_back_equal(self, catalog: Catalog) -> None:
        claim = a_claim(1)
        taken = await catalog.insert_first_claim(claim)  # never, where there is no such step
        assert list(await catalog.claims("signature")) == [claim] * taken

    async def test_first_claim_is_refused_beside_another(self, catalog: Catalog) -> None:
        await catalog.insert_claim(a_claim(3, outcome="{}"))
        assert not await catalog.insert_first_claim(a_claim(1))
        assert [claim.number for claim in await catalog.claims("signature")] == [3]

    async def test_first_claim_is_refused_beside_an_entry(self, catalog: Catalog) -> None:
        await catalog.insert_entry(an_entry())
        assert not await catalog.insert_first_claim(a_claim(1))

    async def test_first_claim_is_refused_when_the_log_has_gone_on(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1))
        assert not await catalog.insert_first_claim(a_claim(1))

    async def test_first_claim_is_refused_when_the_log_is_another(self, catalog: Catalog) -> None:
        await catalog.append(a_record(1))
        assert not await catalog.insert_first_claim(a_claim(1, as_of=LogPosition(1, "lost")))

    async def test_race_for_a_first_claim_has_one_winner_at_most(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        places = [catalog, other] * 10
        claims = [a_claim(1, blob=f"blob-{index}") for index in range(len(places))]
        tries = zip(places, claims, strict=True)
        won = await asyncio.gather(*(place.insert_first_claim(claim) for place, claim in tries))
        assert len(await catalog.claims("signature")) == sum(won) <= 1

    async def test_claims_come_highest_first(self, catalog: Catalog) -> None:
        for number in (2, 10, 9):
            await catalog.insert_claim(a_claim(number))
        await catalog.insert_claim(a_claim(11, signature="another"))
        assert [claim.number for claim in await catalog.claims("signature")] == [10, 9, 2]
        assert len(await catalog.all_claims(10)) == 4
        assert len(await catalog.all_claims(3)) == 3

    async def test_race_for_one_claim_has_one_winner(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        for number in range(1, 11):
            won = await asyncio.gather(
                *(
                    place.insert_claim(a_claim(number, blob=f"blob-{number}-{index}"))
                    for index, place in enumerate((catalog, other) * 4)
                )
            )
            assert won.count(True) == 1

    async def test_beat_and_outcome_are_written_to_the_named_claim_only(
        self, catalog: Catalog
    ) -> None:
        claim, next_ = a_claim(1), a_claim(2)
        await catalog.insert_claim(claim)
        await catalog.insert_claim(next_)
        await catalog.beat(claim, 7)
        await catalog.end_claim(claim, '{"kind":"kept"}')
        await catalog.beat(replace(next_, blob="of another"), 7)
        await catalog.end_claim(replace(next_, blob="of another"), "not mine")
        ended = replace(claim, beat=7, outcome='{"kind":"kept"}')
        assert list(await catalog.claims("signature")) == [next_, ended]

    async def test_entry_ends_the_claim_of_its_job(self, catalog: Catalog) -> None:
        claim = a_claim(1, blob="blob-1")
        await catalog.insert_claim(claim)
        ended = replace(claim, outcome="kept")
        await catalog.insert_entry(an_entry("blob-1"), ended)
        assert list(await catalog.claims("signature")) == [ended]

    async def test_entry_that_is_refused_leaves_its_claim(self, catalog: Catalog) -> None:
        claim = a_claim(1)
        await catalog.insert_claim(claim)
        await catalog.insert_entry(an_entry("blob-1"))
        with pytest.raises(CatalogError):
            await catalog.insert_entry(an_entry("blob-1"), replace(claim, outcome="kept"))
        assert list(await catalog.claims("signature")) == [claim]

    async def test_claims_deleted_by_number_and_blob(self, catalog: Catalog) -> None:
        first, second, third = a_claim(1), a_claim(2), a_claim(3)
        for claim in (first, second, third):
            await catalog.insert_claim(claim)
        await catalog.delete_claims([])
        await catalog.delete_claims([replace(first, blob="of another"), second])
        assert list(await catalog.claims("signature")) == [third, first]
        await catalog.delete_claims([first, second, third])
        assert list(await catalog.claims("signature")) == []

    async def test_trash_is_given_only_when_older(self, catalog: Catalog) -> None:
        await catalog.bury("blob-1", 10.0)
        await catalog.bury("blob-2", 20.0)
        assert [row.blob for row in await catalog.trash(20.0, 10)] == ["blob-1"]
        assert len(await catalog.trash(21.0, 10)) == 2
        assert len(await catalog.trash(21.0, 1)) == 1

    async def test_trash_renewed_since_it_was_read_stays(self, catalog: Catalog) -> None:
        await catalog.bury("blob-1", 10.0)
        (row,) = await catalog.trash(11.0, 10)
        await catalog.bury("blob-1", 10.5)
        await catalog.bury("blob-2", 10.0)
        (other,) = (each for each in await catalog.trash(11.0, 10) if each.blob == "blob-2")
        await catalog.delete_trash([row, other])
        (renewed,) = await catalog.trash(11.0, 10)
        assert renewed == Trash("blob-1", 10.5)
        await catalog.delete_trash([renewed])
        assert not await catalog.trash(11.0, 10)

    async def test_instance_written_twice_is_one_row(
        self, catalog: Catalog, other: Catalog
    ) -> None:
        await catalog.write_instance(an_instance())
        later = an_instance(applied=LogPosition(3, "r3"), seen=5.5, left=True)
        await catalog.write_instance(later)
        assert list(await other.instances()) == [later]

    async def test_instance_deleted_is_not_listed(self, catalog: Catalog) -> None:
        await catalog.write_instance(an_instance())
        await catalog.write_instance(an_instance("incarnation-2"))
        await catalog.delete_instance("incarnation-1")
        await catalog.delete_instance("never-there")
        assert [row.incarnation for row in await catalog.instances()] == ["incarnation-2"]

    async def test_running_instance_is_not_gone(self, catalog: Catalog, other: Catalog) -> None:
        await catalog.write_instance(an_instance())
        assert not await catalog.is_gone("incarnation-1")
        assert not await other.is_gone("incarnation-1")

    async def test_check_says_what_was_found(self, catalog: Catalog) -> None:
        assert await catalog.check()

    async def test_rows_survive_a_restart(
        self, catalog: Catalog, open_catalog: OpenCatalog
    ) -> None:
        await catalog.append(a_record(1, "elsewhere"))
        await catalog.insert_entry(an_entry())
        await catalog.close()
        again = open_catalog()
        await again.start("blobs-1")
        assert await again.find("signature") == an_entry()
        assert await again.head() == LogPosition(1, "r1")
        await again.close()

    async def test_another_blob_store_refuses_to_start(
        self, catalog: Catalog, open_catalog: OpenCatalog
    ) -> None:
        other = open_catalog()
        with pytest.raises(SettingsError):
            await other.start("blobs-2")
        await other.close()

    @pytest.mark.parametrize(
        "call",
        [
            lambda catalog: catalog.head(),
            lambda catalog: catalog.find("signature"),
            lambda catalog: catalog.insert_entry(an_entry()),
            lambda catalog: catalog.usage(),
        ],
        ids=["head", "find", "insert_entry", "usage"],
    )
    async def test_closed_catalog_raises(
        self, catalog: Catalog, call: Callable[[Catalog], Awaitable[object]]
    ) -> None:
        await catalog.close()
        with pytest.raises(CatalogError):
            await call(catalog)
