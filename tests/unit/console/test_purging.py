import pytest

from imcaxy.console.purging import exit_status, told
from imcaxy.invalidation.asked import Asked
from imcaxy.invalidation.purge import Report
from tests.fakes.rows import a_record

A, B = "https://h/a.png", "https://h/longer.png"


def test_done_is_a_table_and_no_warning() -> None:
    report = Report(a_record(7, "k"), counts={A: 12, B: 3}, removed=15)
    lines, warnings = told(Asked("r", urls=(A, B)), report)
    assert lines == [
        "pictures  of",
        f"      12  {A}",
        f"       3  {B}",
        "Invalidation 7 is done: 15 gone.",
    ]
    assert warnings == []
    assert exit_status(report) == 0


def test_what_hit_nothing_is_warned_of() -> None:
    report = Report(a_record(7, "k"), counts={A: 0, B: 3}, removed=3)
    _, warnings = told(Asked("r", urls=(A, B)), report)
    assert len(warnings) == 1
    assert f"Nothing was kept of {A}." in warnings[0]


def test_many_that_hit_nothing_are_named_in_part() -> None:
    urls = tuple(f"https://h/{number}.png" for number in range(10))
    report = Report(a_record(7, "k"), counts=dict.fromkeys(urls, 0), removed=0)
    _, (warning,) = told(Asked("r", urls=urls), report)
    assert "https://h/2.png and 7 more." in warning


def test_unconfirmed_names_who_and_ends_with_3() -> None:
    report = Report(a_record(7, "k"), ("web/1", "web/2"), counts={A: 1}, removed=1)
    lines, (warning,) = told(Asked("r", urls=(A,)), report)
    assert lines[-1] == "Invalidation 7 is recorded: 1 gone."
    assert "web/1, web/2" in warning
    assert exit_status(report) == 3


def test_dry_run_says_that_nothing_was_changed() -> None:
    report = Report(a_record(8, "k"), counts={"*": 4}, removed=4, dry_run=True)
    lines, _ = told(Asked("r", everything=True, dry_run=True), report)
    assert lines[1:] == ["       4  *", "Dry run: 4 would go; nothing was changed."]


@pytest.mark.parametrize("dry_run", [True, False])
def test_commit_alone_has_no_table(dry_run: bool) -> None:
    report = Report(a_record(8), counts={}, removed=0, dry_run=dry_run)
    lines, warnings = told(Asked("r", project="p", commit="c"), report)
    assert (len(lines), warnings) == (1, [])


def test_what_was_not_counted_is_a_question_mark() -> None:
    lines, (warning,) = told(Asked("r", urls=(A,)), Report(a_record(7, "k")))
    assert lines == ["pictures  of", f"       ?  {A}", "Invalidation 7 is done: ? gone."]
    assert "could not be counted" in warning
