"""What git says has changed is new for every visitor, and what has not is still a hit.

The judge is the picture that a real server answers with afterwards, not what the tool prints.
"""

import asyncio
import os
import signal
import unicodedata
from pathlib import Path

import pytest

from tests.e2e.crew import Crew
from tests.e2e.publishing import Seen, Site, ended, picture, site
from tests.invalidator.gits import Work

SAME = "same.png"


def kept(version: int) -> Seen:
    return Seen(version, 200, hit=True)


def made(version: int) -> Seen:
    return Seen(version, 200, hit=False)


MISSING = Seen(None, 404, hit=False)


async def begin(here: Site, *names: str | bytes) -> str:
    """The first commit, deployed, purged and kept: version 10 of these, and one that stays."""
    here.write(10, SAME, *names)
    commit = here.work.commit()
    await here.publish()
    await here.warm(SAME, *names)
    return commit


async def test_changed_picture_is_new_and_the_unchanged_one_still_a_hit(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        here.write(20, "a.png")
        head = here.work.commit()
        here.deploy()
        assert await here.see("a.png") == kept(10)  # deployed, not purged: this is why it exists
        done = await here.purge()
        assert done.code == 0, done
        assert await here.see("a.png") == made(20)
        assert await here.see(SAME) == kept(10)
        assert [it["removed"] for it in done.document["purged"]] == [1]
        assert await here.last_commit() == head
        again = await here.purge()
        assert (again.code, again.document["status"]) == (0, "unchanged")
        await here.warm("a.png")


async def test_added_picture_ends_a_remembered_404(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here)
        assert (await here.see("new.png")).status == 404
        here.write(20, "new.png")
        here.work.commit()
        await here.publish()
        assert await here.see("new.png") == made(20)
        assert await here.see(SAME) == kept(10)


async def test_deleted_picture_is_gone(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        here.work.delete("public/a.png")
        here.work.commit()
        await here.publish()
        assert await here.see("a.png") == MISSING
        assert await here.see(SAME) == kept(10)


async def test_renamed_picture_is_gone_and_there_under_its_new_name(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "old.png")
        assert (await here.see("new.png")).status == 404
        here.work.git("mv", "public/old.png", "public/new.png")
        here.work.commit()
        await here.publish()
        assert await here.see("old.png") == MISSING
        assert await here.see("new.png") == made(10)
        assert await here.see(SAME) == kept(10)


async def test_reverted_commit_brings_the_earlier_picture_back(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        here.write(20, "a.png")
        here.work.commit()
        await here.publish()
        await here.warm("a.png")
        here.work.git("revert", "--no-edit", "HEAD")
        await here.publish()
        assert await here.see("a.png") == made(10)
        assert await here.see(SAME) == kept(10)


async def test_merge_brings_what_both_sides_changed(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png", "b.png")
        here.work.git("checkout", "--quiet", "-b", "side")
        here.write(20, "a.png")
        here.work.commit()
        here.work.git("checkout", "--quiet", "main")
        here.write(30, "b.png")
        here.work.commit()
        here.work.git("merge", "--quiet", "--no-edit", "side")
        await here.publish()
        assert await here.see("a.png") == made(20)
        assert await here.see("b.png") == made(30)
        assert await here.see(SAME) == kept(10)


async def test_rewritten_history_is_compared_with_what_was_deployed(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png", "b.png")
        here.write(20, "a.png")
        here.work.commit()
        await here.publish()
        await here.warm("a.png")
        here.work.git("reset", "--quiet", "--hard", "HEAD~1")
        here.write(30, "b.png")
        here.work.commit()
        await here.publish()
        assert await here.see("a.png") == made(10)
        assert await here.see("b.png") == made(30)
        assert await here.see(SAME) == kept(10)


async def test_force_push_to_a_shallow_clone_fetches_what_was_deployed(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png", "b.png")
        here.write(20, "a.png")
        here.work.commit()
        await here.publish()
        await here.warm("a.png")
        here.work.git("tag", "kept", "HEAD")  # a server keeps what was pushed away, for a while
        here.work.git("reset", "--quiet", "--hard", "HEAD~1")
        here.write(30, "b.png")
        here.work.commit()
        options = ("--depth=1", "--single-branch", "--no-tags")
        clone = here.work.clone(tmp_path / "clone", *options)
        done = await here.publish(work=clone)
        assert "since the last purge" in done.document["scope"]
        assert await here.see("a.png") == made(10)
        assert await here.see("b.png") == made(30)
        assert await here.see(SAME) == kept(10)


async def test_commit_that_nobody_has_purges_all_that_is_tracked(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        other = Work.init(tmp_path / "other")
        here.work = other  # the same site from a repository that was begun anew
        here.write(20, SAME, "a.png")
        other.commit()
        done = await here.publish()
        assert "not to be had" in done.document["scope"]
        assert await here.see("a.png") == made(20)
        assert await here.see(SAME) == made(20)


NAMES: list[str | bytes] = [
    "a b.png",
    "two\nlines.png",
    "quo\"te's.png",
    "per%20cent%.png",
    "plus+and&=?#;,.png",
    "\u00c4rger/\u00e9t\u00e9.png",
    unicodedata.normalize("NFD", "\u00c4rger/d\u00e9j\u00e0.png"),
    b"latin-\xe9.png",
    "[x]{y}|z^`.png",
]


async def test_pictures_of_any_name_are_found(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, *NAMES)
        here.write(20, *NAMES)
        here.work.commit()
        done = await here.publish()
        assert len(done.document["purged"]) == len(NAMES)
        assert [await here.see(it) for it in NAMES] == [made(20)] * len(NAMES)
        assert await here.see(SAME) == kept(10)


async def test_page_that_composes_what_git_has_decomposed_sees_the_new_one(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(it, "\u00e9.png") for it in ("NFC", "NFD"))

    async with site(tmp_path) as here:
        here.aliases = {composed: decomposed}  # as a file system that takes them for one does
        await begin(here, decomposed)
        await here.warm(composed)
        here.write(20, decomposed)
        here.work.commit()
        await here.publish()
        assert await here.see(composed) == made(20)
        assert await here.see(decomposed) == made(20)


async def test_what_a_link_points_to_is_new_under_the_links_name(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.work.write("art/logo.png", picture(10))
        here.write(10, SAME)
        (here.work.directory / "public/logo.png").symlink_to("../art/logo.png")
        here.work.commit()
        await here.publish()
        await here.warm("logo.png", SAME)
        here.work.write("art/logo.png", picture(20))
        here.work.commit()
        await here.publish()
        assert await here.see("logo.png") == made(20)
        assert await here.see(SAME) == kept(10)


async def test_pictures_of_a_submodule_that_moved_are_new(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        art = Work.init(tmp_path / "art")
        art.write("a.png", picture(10))
        art.write("b.png", picture(10))
        art.commit()
        here.work.git("submodule", "--quiet", "add", f"file://{art.directory}", "public/art")
        await begin(here)
        await here.warm("art/a.png", "art/b.png")
        art.write("a.png", picture(20))
        art.commit()
        here.work.git("-C", "public/art", "pull", "--quiet")
        here.work.commit()
        await here.publish()
        assert await here.see("art/a.png") == made(20)
        assert await here.see("art/b.png") == kept(10)
        assert await here.see(SAME) == kept(10)


async def test_build_output_that_git_does_not_track_is_compared(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.work.write(".gitignore", b"public/\n")
        here.work.commit()
        compare = ("--compare", "public", "--digests", str(tmp_path / "digests.json"))
        here.write(10, "a.png", SAME)
        await here.publish(*compare)
        await here.warm("a.png", SAME)
        here.write(20, "a.png")
        done = await here.publish(*compare)
        assert [it["change"] for it in done.document["purged"]] == ["modified"]
        assert await here.see("a.png") == made(20)
        assert await here.see(SAME) == kept(10)


@pytest.mark.slow
async def test_five_thousand_pictures_in_one_commit(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        names = [f"{number % 50}/{number}.png" for number in range(5001)]
        few = names[::500]
        here.write(10, SAME, *names)
        here.work.commit()
        await here.publish()
        await here.warm(SAME, *few)
        here.write(20, *names)
        head = here.work.commit()
        done = await here.publish()
        assert len(done.document["purged"]) == len(names)
        assert done.document["removed"] == len(few)
        assert len(done.document["numbers"]) == 2  # a call takes 5,000
        assert [await here.see(it) for it in few] == [made(20)] * len(few)
        assert await here.see(SAME) == kept(10)
        assert await here.last_commit() == head


async def test_dry_run_counts_and_leaves_everything(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first = await begin(here, "a.png")
        here.write(20, "a.png")
        here.work.commit()
        done = await here.publish("--dry-run")
        assert done.document["removed"] == 1
        assert await here.see("a.png") == kept(10)
        assert await here.last_commit() == first


async def test_folders_purge_all_that_is_published(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "x/a.png")
        done = await here.publish("--folders")
        assert done.document["removed"] == 2
        assert await here.see("x/a.png") == made(10)
        assert await here.see(SAME) == made(10)


async def test_wait_for_change_purges_after_a_slow_deploy(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        here.write(20, "a.png")
        here.work.commit()
        asked = here.origin.counts["/a.png"]
        run = await here.purging("--wait-for-change", "50")
        async with asyncio.timeout(30):
            while here.origin.counts["/a.png"] == asked:
                await asyncio.sleep(0.02)
        assert await here.see("a.png") == kept(10)  # it waits: nothing is purged yet
        here.deploy()
        assert (await ended(run)).code == 0
        assert await here.see("a.png") == made(20)
        assert await here.see(SAME) == kept(10)


async def test_site_that_stays_old_leaves_the_commit_for_the_next_run(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first = await begin(here, "a.png")
        here.write(20, "a.png")
        head = here.work.commit()
        done = await here.purge("--wait-for-change", "1")
        assert (done.code, done.document["status"]) == (3, "unconfirmed")
        assert await here.last_commit() == first
        await here.warm("a.png")  # the old one again, because the site still has it
        await here.publish("--wait-for-change", "30")
        assert await here.see("a.png") == made(20)
        assert await here.last_commit() == head


async def test_wrong_token_changes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first = await begin(here, "a.png")
        here.write(20, "a.png")
        here.work.commit()
        done = await here.purge("--token", "wrong")
        assert (done.code, done.document["status"]) == (4, "refused")
        assert await here.see("a.png") == kept(10)
        assert await here.last_commit() == first


@pytest.mark.slow
async def test_suspended_worker_is_named_and_a_later_run_confirms(tmp_path: Path) -> None:
    """A stopped process may wake up and serve what it holds: this is no done purge."""
    patient = ("--timeout", "8", "--attempts", "15")  # a call may come to the stopped one
    async with site(tmp_path, workers=2, purge_timeout=2) as here:
        await begin(here, "a.png")
        here.write(20, "a.png")
        head = here.work.commit()
        here.deploy()
        stopped = min(Crew(here.server).pids)
        os.kill(stopped, signal.SIGSTOP)
        try:
            done = await here.purge(*patient)
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert (done.code, done.document["status"]) == (3, "unconfirmed"), done
        assert len(done.document["unconfirmed"]) == 1
        again = await here.purge(*patient, "--wait", "30")
        assert (again.code, again.document["status"]) == (0, "unchanged"), again
        assert {(await here.see("a.png")).version for _ in range(20)} == {20}
        assert await here.last_commit() == head


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.06, 0.09, 0.15])
async def test_server_killed_in_the_middle_of_a_call_converges_in_a_second_run(
    tmp_path: Path, delay: float
) -> None:
    async with site(tmp_path) as here:
        first = await begin(here, "a.png")
        here.write(20, "a.png")
        head = here.work.commit()
        here.deploy()
        # Suspended, it takes the connection and says nothing; so the call is under way when
        # it goes on, and `delay` later it dies, before, while or after it writes the record.
        here.server.process.send_signal(signal.SIGSTOP)
        run = await here.purging("--attempts", "1", "--timeout", "20")
        await connected(here)
        here.server.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(delay)
        await here.server.kill()
        broken = await ended(run)
        assert broken.code in {0, 5}, broken
        await here.server.start()
        commit = await here.last_commit()
        assert commit in {first, head}
        if commit == head:  # then the purge is kept, too
            assert (await here.see("a.png")).version == 20
        second = await here.purge("--wait", "30")
        assert second.code == 0, second
        assert (await here.see("a.png")).version == 20
        assert await here.see(SAME) == kept(10)
        assert await here.last_commit() == head


async def test_call_is_repeated_until_the_server_is_back(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await begin(here, "a.png")
        here.write(20, "a.png")
        head = here.work.commit()
        here.deploy()
        here.server.process.send_signal(signal.SIGSTOP)
        run = await here.purging("--attempts", "20")
        await connected(here)
        await here.server.kill()
        await here.server.start()
        done = await ended(run)
        assert done.code == 0, done
        assert "attempt 2 of 20" in done.said
        assert await here.see("a.png") == made(20)
        assert await here.see(SAME) == kept(10)
        assert await here.last_commit() == head


async def connected(here: Site) -> None:
    """Return once somebody is connected to the server."""
    async with asyncio.timeout(30):
        while here.server.connections() == 0:
            await asyncio.sleep(0.005)
