import hashlib
import os
from pathlib import Path

import pytest

from imcaxy_invalidator.changes import Changes, Former, all_tracked, changes_between
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.repository import Repository
from tests.invalidator.gits import Work

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 3\n"


def kinds(changes: Changes) -> dict[str, str]:
    assert len({it.path for it in changes.files}) == len(changes.files)
    return {it.path: it.kind for it in changes.files}


def between(work: Work, old: str, new: str | None = None) -> Changes:
    repository = Repository(work.directory)
    try:
        return changes_between(repository, old, new or work.head, formers=True)
    finally:
        repository.close()


def everything(work: Work) -> Changes:
    repository = Repository(work.directory)
    try:
        return all_tracked(repository, work.head)
    finally:
        repository.close()


def test_added_modified_and_deleted_files_all_count(work: Work) -> None:
    old = work.commit(a__kept_png=b"1", a__changed_png=b"1", a__gone_png=b"1")
    work.delete("a/gone.png")
    work.commit(a__changed_png=b"2", new_png=b"1")
    assert kinds(between(work, old)) == {
        "a/changed.png": "modified",
        "a/gone.png": "deleted",
        "new.png": "added",
    }


def test_renamed_file_is_one_gone_and_one_new(work: Work) -> None:
    old = work.commit(one_png=b"the same bytes" * 100)
    work.git("mv", "one.png", "two.png")
    work.git("config", "diff.renames", "copies")
    work.commit()
    assert kinds(between(work, old)) == {"one.png": "deleted", "two.png": "added"}


def test_change_that_was_taken_back_is_none(work: Work) -> None:
    old = work.commit(a_png=b"1")
    work.commit(a_png=b"2")
    work.git("revert", "--no-edit", "HEAD")
    assert kinds(between(work, old)) == {}


def test_both_sides_of_a_merge_count(work: Work) -> None:
    old = work.commit(a_png=b"1", b_png=b"1", c_png=b"1")
    work.git("checkout", "--quiet", "-b", "side")
    work.commit(a_png=b"2")
    work.git("checkout", "--quiet", "main")
    work.commit(b_png=b"2")
    work.git("merge", "--quiet", "--no-edit", "side")
    assert kinds(between(work, old)) == {"a.png": "modified", "b.png": "modified"}


def test_rewritten_history_is_compared_tree_with_tree(work: Work) -> None:
    work.commit(a_png=b"1", b_png=b"1")
    old = work.commit(a_png=b"2")
    work.git("reset", "--quiet", "--hard", "HEAD~1")
    work.commit(b_png=b"2")
    assert kinds(between(work, old)) == {"a.png": "modified", "b.png": "modified"}


@pytest.mark.parametrize(
    "name",
    [
        b"a b.png",
        b"two\nlines.png",
        b"tab\there.png",
        b"quo\"te's.png",
        b"back\\slash.png",
        "e\u0301te\u0301.png".encode(),
        "\u00e9t\u00e9.png".encode(),
        b"latin-\xe9.png",
        b"-rf.png",
        b":(glob)*.png",
        b"\x01\x7f.png",
    ],
)
def test_any_name_is_read_as_it_is(work: Work, name: bytes) -> None:
    old = work.commit()
    work.write(b"dir/" + name, b"1")
    work.commit()
    (found,) = between(work, old).files
    assert os.fsencode(found.path) == b"dir/" + name


def test_changed_permission_counts_as_a_change(work: Work) -> None:
    old = work.commit(a_png=b"1")
    (work.directory / "a.png").chmod(0o755)
    work.commit()
    assert kinds(between(work, old)) == {"a.png": "modified"}


def test_former_file_is_known_again_by_its_bytes(work: Work) -> None:
    old = work.commit(a_png=b"before")
    work.commit(a_png=b"after")
    (found,) = between(work, old).files
    assert found.former is not None
    assert found.former.is_like(b"before")
    assert not found.former.is_like(b"after")


def test_former_file_of_an_lfs_pointer_is_the_file_it_points_to(work: Work) -> None:
    digest = hashlib.sha256(b"large").hexdigest()
    old = work.commit(a_png=POINTER % digest.encode())
    work.commit(a_png=POINTER % (b"0" * 64))
    (found,) = between(work, old).files
    assert found.former == Former("sha256", digest)
    assert found.former.is_like(b"large")


def test_former_file_in_a_repository_of_sha256_ids(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    work = Work(tmp_path / "new")
    work.git("init", "--quiet", "--object-format=sha256")
    old = work.commit(a_png=b"before")
    work.commit(a_png=b"after")
    (found,) = between(work, old).files
    assert found.former is not None
    assert found.former.is_like(b"before")


def test_link_changes_with_what_it_points_to(work: Work) -> None:
    work.write("art/logo.png", b"1")
    work.write("art/icons/a.png", b"1")
    work.write("public/x.txt", b"1")
    (work.directory / "public/logo.png").symlink_to("../art/logo.png")
    (work.directory / "public/again.png").symlink_to("logo.png")
    (work.directory / "public/icons").symlink_to("../art/icons")
    old = work.commit()
    work.write("art/icons/a.png", b"2")
    work.write("art/logo.png", b"2")
    work.commit()
    assert kinds(between(work, old)) == {
        "art/logo.png": "modified",
        "art/icons/a.png": "modified",
        "public/logo.png": "modified",
        "public/again.png": "modified",
        "public/icons/a.png": "modified",
    }
    assert "public/icons/a.png" in kinds(everything(work))


def test_links_in_a_circle_end(work: Work) -> None:
    work.write("a/x.png", b"1")
    (work.directory / "a/self").symlink_to(".")
    (work.directory / "a/loop").symlink_to("../a")
    old = work.commit()
    work.write("a/x.png", b"2")
    work.commit()
    assert "a/self/x.png" in kinds(between(work, old))


def test_link_that_leads_elsewhere_is_purged_with_all_below_it(work: Work) -> None:
    work.write("v1/a.png", b"1")
    work.write("v2/a.png", b"2")
    (work.directory / "now").symlink_to("v1")
    old = work.commit()
    (work.directory / "now").unlink()
    (work.directory / "now").symlink_to("v2")
    work.commit()
    found = between(work, old)
    assert kinds(found) == {"now": "modified"}
    assert found.folders == ["now"]


@pytest.fixture
def parent(work: Work, tmp_path: Path) -> tuple[Work, Work]:
    """A repository with a submodule, and that submodule's own repository."""
    art = Work.init(tmp_path / "art")
    art.commit(a_png=b"1", b_png=b"1")
    work.git("submodule", "--quiet", "add", f"file://{art.directory}", "pics/art")
    work.commit(own_png=b"1")
    return work, art


def move(work: Work, art: Work) -> None:
    art.commit(a_png=b"2")
    work.git("-C", "pics/art", "fetch", "--quiet")
    work.git("-C", "pics/art", "checkout", "--quiet", art.head)
    work.commit()


def test_submodule_that_moved_is_looked_into(parent: tuple[Work, Work]) -> None:
    work, art = parent
    old = work.head
    move(work, art)
    found = between(work, old)
    assert kinds(found) == {"pics/art/a.png": "modified"}
    assert found.folders == []
    assert found.notes == ["submodule pics/art: 1 of its files changed"]
    assert found.files[0].former is not None


def test_submodule_fetches_a_commit_that_it_lacks(
    parent: tuple[Work, Work], tmp_path: Path
) -> None:
    work, art = parent
    old = work.head
    move(work, art)
    options = ("--recurse-submodules", "--shallow-submodules")
    clone = work.clone(tmp_path / "clone", *options)
    assert kinds(between(clone, old)) == {"pics/art/a.png": "modified"}


def test_submodule_that_is_not_checked_out_is_purged_whole(
    parent: tuple[Work, Work], tmp_path: Path
) -> None:
    work, art = parent
    old = work.head
    move(work, art)
    clone = work.clone(tmp_path / "clone")
    found = between(clone, old)
    assert kinds(found) == {}
    assert found.folders == ["pics/art"]
    assert "whole folder" in found.notes[0]
    assert everything(clone).folders == ["pics/art"]


def test_submodule_that_came_or_went_is_purged_whole(parent: tuple[Work, Work]) -> None:
    work, _ = parent
    with_it = work.head
    work.git("rm", "--quiet", "pics/art")
    work.commit()
    gone = between(work, with_it)
    assert gone.folders == ["pics/art"]
    assert kinds(gone) == {".gitmodules": "deleted"} or kinds(gone) == {".gitmodules": "modified"}
    assert between(work, work.head, with_it).folders == ["pics/art"]


def test_file_that_became_a_submodule_counts_as_both(work: Work, tmp_path: Path) -> None:
    art = Work.init(tmp_path / "art")
    art.commit(a_png=b"1")
    old = work.commit(art=b"a file")
    work.delete("art")
    work.git("rm", "--quiet", "--cached", "art")
    work.git("submodule", "--quiet", "add", f"file://{art.directory}", "art")
    work.commit()
    found = between(work, old)
    assert kinds(found)["art"] == "modified"
    assert found.folders == ["art"]


def test_shallow_clone_fetches_the_commit_and_stays_shallow(work: Work, tmp_path: Path) -> None:
    old = work.commit(a_png=b"1", b_png=b"1")
    work.commit(a_png=b"2")
    work.commit(c_png=b"1")
    clone = work.clone(tmp_path / "clone", "--depth=1")
    repository = Repository(clone.directory)
    assert repository.shallow
    assert not repository.has(old)
    assert repository.fetch(old)
    assert kinds(changes_between(repository, old, clone.head)) == {
        "a.png": "modified",
        "c.png": "added",
    }
    assert repository.shallow
    assert clone.git("rev-list", "--count", "HEAD") == "1"
    repository.close()


def test_full_clone_stays_full_when_it_fetches(work: Work, tmp_path: Path) -> None:
    work.commit(a_png=b"1")
    clone = work.clone(tmp_path / "clone")
    work.commit(a_png=b"2")
    later = work.commit(a_png=b"3")
    repository = Repository(clone.directory)
    assert repository.fetch(later)
    assert not repository.shallow
    assert not repository.fetch("f" * 40)
    assert not repository.fetch("--upload-pack=touch")
    assert not repository.has("not-a-commit")
    repository.close()


def test_origin_names_the_project(work: Work) -> None:
    work.commit()
    repository = Repository(work.directory)
    assert repository.origin is None
    work.git("remote", "add", "origin", "x")
    for url in (
        "git@git.example:acme/shop.git",
        "https://user:secret@git.example/acme/shop.git/",
        "ssh://git@git.example:2222/acme/shop",
        "git.example:acme/shop.git",
    ):
        work.git("remote", "set-url", "origin", url)
        assert repository.origin == "acme/shop"
    repository.close()


def test_directory_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="no git repository"):
        Repository(tmp_path)
    with pytest.raises(Misused, match="no git repository"):
        Repository(tmp_path / "nowhere")


def test_repository_without_a_commit_is_refused(work: Work) -> None:
    repository = Repository(work.directory)
    with pytest.raises(Misused, match="'HEAD' names no commit"):
        repository.commit()
    with pytest.raises(Misused, match="names no commit"):
        repository.commit("--all")
    repository.close()


def test_repository_of_another_user_says_what_to_do(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.commit()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    repository = Repository(work.directory)
    with pytest.raises(Misused, match=r"git config --global --add safe\.directory"):
        repository.commit()
    repository.close()


def test_folder_within_the_work_tree_will_do(work: Work) -> None:
    work.commit(deep__a_png=b"1")
    repository = Repository(work.directory / "deep")
    assert repository.root == work.directory
    assert [it.path for it in repository.tracked("HEAD")] == ["deep/a.png"]
    repository.close()
