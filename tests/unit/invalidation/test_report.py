from imcaxy.invalidation.purge import Report
from imcaxy.invalidation.report import status, to_json
from tests.fakes.rows import a_record, an_entry


def test_pending_names_who_has_not_confirmed() -> None:
    report = Report(a_record(3, "file"), ("web/7",), {"https://h/a": 2}, removed=2)
    told = to_json(report)
    assert (told["number"], told["status"], told["unconfirmed"]) == (3, "pending", ["web/7"])
    assert told["perUrl"] == {"https://h/a": 2}
    assert told["invalidationDate"] == "2023-11-14T22:13:22.750+00:00"
    assert told["invalidationError"] is None


def test_done_lists_what_was_requested_and_hit() -> None:
    told = to_json(Report(a_record(3, "file"), hits=[an_entry()], removed=1))
    assert told["status"] == "done"
    assert told["requestedInvalidations"] == told["doneInvalidations"]
    assert len(told["invalidatedImages"]) == 1  # type: ignore[arg-type] # a list, as JSON


def test_dry_run_has_no_number_and_has_done_nothing() -> None:
    told = to_json(Report(a_record(3, "file"), removed=4, dry_run=True))
    assert (told["number"], told["doneInvalidations"]) == (None, [])
    assert status(Report(a_record(3), dry_run=True)) == "dry-run"
