"""Whole runs against a fake server: real repositories, real HTTP, time by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imcaxy_invalidator.errors import Misused, Refused, Unreachable
from imcaxy_invalidator.job import MOST, Job
from imcaxy_invalidator.options import Options
from imcaxy_invalidator.report import Report
from imcaxy_invalidator.repository import Repository
from imcaxy_invalidator.server import Server
from tests.fakes.invalidations import TOKEN, FakeImcaxy, Trouble
from tests.invalidator.clocks import FakeClock
from tests.invalidator.gits import Work

SITE = "https://site.example/"
OPTIONS = Options(server="-", project="shop", map=(f"public/={SITE}",))


def run(work: Work, imcaxy: FakeImcaxy, **options: object) -> Report:
    clock = FakeClock()
    repository = Repository(work.directory)
    try:
        server = Server(imcaxy.url, TOKEN, seconds=5, attempts=2, clock=clock)
        chosen = replace(OPTIONS, **options)  # type: ignore[arg-type]  # by name
        return Job(chosen, repository, server, clock).run()
    finally:
        repository.close()


def test_first_run_purges_every_tracked_picture_below_the_map(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    head = work.commit(public__a_png=b"1", public__x__b_png=b"1", src__c_png=b"1")
    work.write("public/read.me", b"1")
    report = run(work, imcaxy)
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}x/b.png"}
    assert imcaxy.commits == {"shop": head}
    assert "first purge" in report.scope
    assert report.status == "done"
    assert any("src/c.png" in it for it in report.warnings)


def test_later_run_purges_what_changed_since(work: Work, imcaxy: FakeImcaxy) -> None:
    imcaxy.commits["shop"] = old = work.commit(public__a_png=b"1", public__b_png=b"1")
    imcaxy.kept[f"{SITE}a.png"] = 2
    head = work.commit(public__a_png=b"2")
    report = run(work, imcaxy)
    assert imcaxy.purged == {f"{SITE}a.png"}
    assert imcaxy.commits == {"shop": head}
    assert (report.base, report.removed, report.warnings) == (old, 2, [])
    assert [(it.url, it.kind, it.removed) for it in report.rows] == [
        (f"{SITE}a.png", "modified", 2)
    ]


def test_run_for_the_same_commit_calls_nobody(work: Work, imcaxy: FakeImcaxy) -> None:
    imcaxy.commits["shop"] = work.commit(public__a_png=b"1")
    report = run(work, imcaxy)
    assert report.status == "unchanged"
    assert imcaxy.calls == []


def test_commit_moves_also_when_no_picture_changed(work: Work, imcaxy: FakeImcaxy) -> None:
    imcaxy.commits["shop"] = work.commit(public__a_png=b"1")
    work.write("README", b"1")
    head = work.commit()
    report = run(work, imcaxy)
    assert imcaxy.commits == {"shop": head}
    assert imcaxy.purged == set()
    assert report.notes == ["no changed file counts (see --include)"]


def test_nothing_in_the_cache_is_a_warning(work: Work, imcaxy: FakeImcaxy) -> None:
    work.commit(public__a_png=b"1")
    assert any("none of these addresses" in it for it in run(work, imcaxy).warnings)


def test_dry_run_changes_nothing(work: Work, imcaxy: FakeImcaxy) -> None:
    work.commit(public__a_png=b"1")
    imcaxy.kept[f"{SITE}a.png"] = 2
    report = run(work, imcaxy, dry_run=True, wait_for_change=9.0)
    assert (report.status, report.removed) == ("dry-run", 2)
    assert imcaxy.applied == {}
    assert imcaxy.commits == {}


def test_more_addresses_than_a_call_takes_move_the_commit_with_the_last(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    for number in range(MOST + 1):
        work.write(f"public/{number}.png", b"1")
    head = work.commit()
    report = run(work, imcaxy)
    assert [len(it["urls"]) for it in imcaxy.calls] == [MOST, 1]
    assert ["latestCommitHash" in it for it in imcaxy.calls] == [False, True]
    assert len(imcaxy.purged) == MOST + 1
    assert imcaxy.commits == {"shop": head}
    assert len(report.rows) == MOST + 1
    assert len([*report.lines()]) < 50


def test_call_that_fails_after_others_leaves_the_commit(work: Work, imcaxy: FakeImcaxy) -> None:
    for number in range(MOST + 1):
        work.write(f"public/{number}.png", b"1")
    work.commit()
    imcaxy.troubles = [None, None, Trouble(400)]
    with pytest.raises(Refused):
        run(work, imcaxy)
    assert len(imcaxy.purged) == MOST
    assert imcaxy.commits == {}
    run(work, imcaxy)
    assert len(imcaxy.purged) == MOST + 1
    assert imcaxy.commits == {"shop": work.head}


def test_server_that_is_away_leaves_the_commit_and_a_second_run_converges(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    imcaxy.commits["shop"] = old = work.commit(public__a_png=b"1")
    head = work.commit(public__a_png=b"2")
    imcaxy.troubles = [None, Trouble(503), Trouble(503)]
    with pytest.raises(Unreachable):
        run(work, imcaxy)
    assert imcaxy.commits == {"shop": old}
    run(work, imcaxy)
    assert imcaxy.purged == {f"{SITE}a.png"}
    assert imcaxy.commits == {"shop": head}


def test_unconfirmed_purge_moves_the_commit_and_says_who(work: Work, imcaxy: FakeImcaxy) -> None:
    head = work.commit(public__a_png=b"1")
    imcaxy.unconfirmed = [["one"]] * 99
    report = run(work, imcaxy, wait=2.0)
    assert (report.status, report.unconfirmed) == ("unconfirmed", ["one"])
    assert imcaxy.commits == {"shop": head}


def test_purge_that_was_not_confirmed_is_not_yet_done_when_the_job_runs_again(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    imcaxy.commits["shop"] = work.commit(public__a_png=b"1")
    imcaxy.unconfirmed = [["one"]]
    assert run(work, imcaxy).status == "unconfirmed"
    imcaxy.unconfirmed = [["one"], ["one"]]
    assert run(work, imcaxy, wait=60.0).status == "unchanged"
    assert imcaxy.calls == []


def test_wait_makes_an_unconfirmed_purge_a_done_one(work: Work, imcaxy: FakeImcaxy) -> None:
    work.commit(public__a_png=b"1")
    imcaxy.unconfirmed = [["one"], ["one"]]
    assert run(work, imcaxy, wait=60.0).status == "done"


def test_site_that_stays_old_is_purged_and_leaves_the_commit(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    imcaxy.commits["shop"] = old = work.commit(public__a_png=b"1")
    work.commit(public__a_png=b"2")
    gone = (f"public/={imcaxy.url}/site/",)  # answers 404 to everything
    report = run(work, imcaxy, wait_for_change=5.0, map=gone)
    assert report.status == "unconfirmed"
    assert report.not_deployed == {f"{imcaxy.url}/site/a.png": "answered 404"}
    assert imcaxy.purged == {f"{imcaxy.url}/site/a.png"}
    assert imcaxy.commits == {"shop": old}
    run(work, imcaxy, wait_for_change=5.0, map=gone, allow_unconfirmed=True)
    assert imcaxy.commits == {"shop": work.head}


def test_commit_that_is_not_to_be_had_purges_all_and_says_so(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    imcaxy.commits["shop"] = "f" * 40
    work.commit(public__a_png=b"1", public__b_png=b"1")
    report = run(work, imcaxy)
    assert "not to be had" in report.scope
    assert any("--folders" in it for it in report.warnings)
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}b.png"}


def test_shallow_clone_fetches_the_last_commit(
    work: Work, imcaxy: FakeImcaxy, tmp_path: Path
) -> None:
    imcaxy.commits["shop"] = work.commit(public__a_png=b"1", public__b_png=b"1")
    work.commit(public__c_png=b"1")
    work.commit(public__a_png=b"2")
    clone = work.clone(tmp_path / "clone", "--depth=1")
    report = run(clone, imcaxy)
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}c.png"}
    assert "since the last purge" in report.scope


def test_step_back_is_a_warning(work: Work, imcaxy: FakeImcaxy) -> None:
    work.commit(public__a_png=b"1")
    imcaxy.commits["shop"] = work.commit(public__a_png=b"2")
    report = run(work, imcaxy, commit="HEAD~1")
    assert imcaxy.purged == {f"{SITE}a.png"}
    assert any("older than the last purge" in it for it in report.warnings)


def test_since_all_and_folders_choose_the_scope(work: Work, imcaxy: FakeImcaxy) -> None:
    old = work.commit(public__a_png=b"1")
    work.commit(public__b_png=b"1")
    imcaxy.commits["shop"] = work.commit(public__c_png=b"1")
    run(work, imcaxy, since=old)
    assert imcaxy.purged == {f"{SITE}b.png", f"{SITE}c.png"}
    run(work, imcaxy, all=True)
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}b.png", f"{SITE}c.png"}
    run(work, imcaxy, folders=True)
    assert imcaxy.calls[-1]["folders"] == [SITE]
    assert imcaxy.calls[-1]["urls"] == []
    with pytest.raises(Misused, match="names no commit"):
        run(work, imcaxy, since="nothing")


def test_difference_from_another_commit_leaves_the_projects_commit(
    work: Work, imcaxy: FakeImcaxy
) -> None:
    imcaxy.commits["shop"] = first = work.commit(public__a_png=b"1")
    second = work.commit(public__a_png=b"2")
    work.commit(public__b_png=b"1")
    report = run(work, imcaxy, since=second)
    assert imcaxy.purged == {f"{SITE}b.png"}
    assert imcaxy.commits == {"shop": first}  # so that the next run finds a.png
    assert "stays" in [*report.lines()][-1]
    assert run(work, imcaxy, since=work.head).status == "unchanged"
    run(work, imcaxy, since=first)  # what the server would have said
    assert imcaxy.commits == {"shop": work.head}


def test_first_run_waits_for_no_change(work: Work, imcaxy: FakeImcaxy) -> None:
    work.commit(public__unpublished_png=b"1")
    away = (f"public/={imcaxy.url}/site/",)
    report = run(work, imcaxy, wait_for_change=60.0, map=away)
    assert (report.status, report.not_deployed) == ("done", {})
    assert imcaxy.commits == {"shop": work.head}


def test_folder_of_a_submodule_is_purged_where_it_is_published(
    work: Work, imcaxy: FakeImcaxy, tmp_path: Path
) -> None:
    art = Work.init(tmp_path / "art")
    art.commit(a_png=b"1")
    work.git("submodule", "--quiet", "add", f"file://{art.directory}", "public/art")
    work.commit(public__b_png=b"1")
    inside = (f"public/art/icons/={SITE}icons/", f"public/={SITE}")
    run(work, imcaxy, map=inside)
    assert imcaxy.purged == {f"{SITE}b.png", f"{SITE}art/", f"{SITE}icons/"}


def test_project_is_named_after_the_remote(work: Work, imcaxy: FakeImcaxy) -> None:
    head = work.commit(public__a_png=b"1")
    with pytest.raises(Misused, match="--project is missing"):
        run(work, imcaxy, project="")
    work.git("remote", "add", "origin", "git@git.example:acme/shop.git")
    run(work, imcaxy, project="")
    assert imcaxy.commits == {"acme/shop": head}


def test_manifest_leads_from_what_changed_to_what_is_published(
    work: Work, imcaxy: FakeImcaxy, tmp_path: Path
) -> None:
    imcaxy.commits["shop"] = work.commit(src__a_png=b"1", src__b_png=b"1")
    work.commit(src__a_png=b"2")
    built = tmp_path / "manifest.json"
    names = {"src/a.png": {"file": "assets/a-2.png"}, "src/b.png": {"file": "assets/b-1.png"}}
    built.write_text(json.dumps(names))
    report = run(work, imcaxy, map=(), manifest=(f"{built}={SITE}",))
    assert imcaxy.purged == {f"{SITE}assets/a-2.png"}
    assert report.warnings == [it for it in report.warnings if "none of these" in it]


def test_manifest_that_git_tracks_tells_the_old_name_too(work: Work, imcaxy: FakeImcaxy) -> None:
    work.write("manifest.json", b'{"src/a.png": "a-1.png", "x.js": "x-1.js"}')
    imcaxy.commits["shop"] = work.commit(src__a_png=b"1")
    work.write("manifest.json", b'{"src/a.png": "a-2.png", "x.js": "x-2.js"}')
    work.commit(src__a_png=b"2")
    run(work, imcaxy, map=(), manifest=(f"{work.directory}/manifest.json={SITE}",))
    assert imcaxy.purged == {f"{SITE}a-1.png", f"{SITE}a-2.png"}


def test_build_output_is_compared_with_the_stored_digests(
    work: Work, imcaxy: FakeImcaxy, tmp_path: Path
) -> None:
    work.write(".gitignore", b"dist/\n")
    work.commit()
    work.write("dist/a.png", b"1")
    work.write("dist/b.png", b"1")
    options = {
        "map": (f"dist/={SITE}",),
        "compare": (str(work.directory / "dist"),),
        "digests": str(tmp_path / "digests.json"),
    }
    run(work, imcaxy, **options)
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}b.png"}
    work.write("dist/a.png", b"2")
    imcaxy.troubles = [None, Trouble(503), Trouble(503)]
    with pytest.raises(Unreachable):
        run(work, imcaxy, **options)  # keeps the old list
    run(work, imcaxy, **options, dry_run=True)  # so does this
    imcaxy.applied.clear()
    run(work, imcaxy, **options)
    assert imcaxy.purged == {f"{SITE}a.png"}
    imcaxy.calls.clear()
    assert run(work, imcaxy, **options).status == "unchanged"
    assert imcaxy.calls == []


def test_patterns_choose_the_files(work: Work, imcaxy: FakeImcaxy) -> None:
    work.write("public/data.json", b"1")
    work.commit(public__a_png=b"1", public__drafts__b_png=b"1")
    run(work, imcaxy, include=("*.json", "*.png"), exclude=("**/drafts/",))
    assert imcaxy.purged == {f"{SITE}a.png", f"{SITE}data.json"}


def test_table_begins_with_what_went(work: Work, imcaxy: FakeImcaxy) -> None:
    for number in range(100):
        work.write(f"public/{number}.png", b"1")
    work.commit()
    imcaxy.kept[f"{SITE}99.png"] = 2
    lines = [*run(work, imcaxy).lines()]
    assert lines[2].split() == ["tracked", "2", f"{SITE}99.png"]
    assert "and 60 more" in lines[-2]
    assert lines[-1].startswith("100 addresses purged, 2 kept pictures removed")


def test_report_is_one_json_object_with_every_address(work: Work, imcaxy: FakeImcaxy) -> None:
    head = work.commit(public__a_png=b"1")
    document = json.loads(run(work, imcaxy).document())
    assert document["status"] == "done"
    assert document["to"] == head
    assert document["purged"] == [
        {"url": f"{SITE}a.png", "path": "public/a.png", "change": "tracked", "removed": 0}
    ]
