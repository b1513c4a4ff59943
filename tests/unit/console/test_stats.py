from imcaxy.console.asking import Heard
from imcaxy.console.instances import Standing
from imcaxy.console.stats import Stats, told

CATALOG = {
    "entries": 3,
    "entryBytes": 700,
    "trash": 1,
    "trashBytes": 50,
    "claims": 4,
    "claimsRunning": 1,
    "logHead": 9,
    "uncleared": 2,
    "instances": 2,
}
PROCESS = {
    "requests": {"memory": 40, "stored": 2},
    "memory": {"bytes": 4096, "items": 2, "hits": 40},
    "streams": {"count": 1},
    "jobs": {"running": 1, "waiting": 3},
    "log": {"silence": 0.0123},
}
WEB = [Standing(name, name, "runs", 9, 0, 0.1) for name in ("web/1", "web/2")]


def test_catalog_and_instances_are_told() -> None:
    heard = Heard({"web/1": {"process": PROCESS}})
    lines = told(Stats(CATALOG, WEB, heard))
    assert lines[0].split() == ["pictures", "kept", "3", "700", "bytes"]
    row = ["web/1", "42", "4096", "2", "40", "1", "1+3", "0.01", "s"]
    assert lines[-2].split() == row
    assert lines[-1].split() == ["web/2", *["?"] * 7]


def test_problem_comes_last() -> None:
    stats = Stats(CATALOG, WEB, Heard(problem="nothing answers"))
    assert told(stats)[-1] == "nothing answers"
    assert stats.to_json()["silent"] == ["web/1", "web/2"]
