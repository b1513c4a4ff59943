import os
import subprocess
import sys
from pathlib import Path

import pytest

from imcaxy.store.catalog.processes import has_ended, this_process

pytestmark = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="Linux only")


def told() -> dict[str, object]:
    process = this_process()
    assert process is not None
    return process.to_document()


def a_proc(folder: Path, stat: str | None) -> Path:
    """A /proc of the same machine on which this test's pid has that `stat`."""
    (folder / "sys/kernel/random").mkdir(parents=True)
    (folder / "self/ns").mkdir(parents=True)
    (folder / "sys/kernel/random/boot_id").write_text(str(told()["boot"]))
    (folder / "self/ns/pid").symlink_to(str(told()["namespace"]))
    if stat is not None:
        (folder / str(os.getpid())).mkdir()
        (folder / str(os.getpid()) / "stat").write_text(stat)
    return folder


def test_own_process_has_not_ended() -> None:
    assert not has_ended(told())


def test_process_that_ended_has_ended() -> None:
    code = (
        "from imcaxy.store.catalog.processes import this_process; "
        "print(this_process().to_document())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert has_ended(eval(ran.stdout))  # noqa: S307 - what this test has just printed


def test_later_process_with_the_same_pid_is_another() -> None:
    assert has_ended(told() | {"started": 1})


@pytest.mark.parametrize("field", ["boot", "namespace"])
def test_process_of_another_machine_or_container_may_run(field: str) -> None:
    assert not has_ended(told() | {field: "another", "started": 1})


@pytest.mark.parametrize("document", [{}, {"boot": 1}, {"pid": "x"}])
def test_strange_document_may_run(document: dict[str, object]) -> None:
    assert not has_ended(document)


@pytest.mark.parametrize(
    ("state", "ended"), [("Z", True), ("X", True), ("S", False), ("T", False), ("D", False)]
)
def test_zombie_has_ended_and_a_stopped_one_has_not(
    tmp_path: Path, state: str, ended: bool
) -> None:
    started = told()["started"]
    fields = " ".join([state, *["0"] * 18, str(started)])
    assert has_ended(told(), a_proc(tmp_path, f"1 (odd ) name) {fields} 0\n")) == ended


def test_absent_pid_has_ended(tmp_path: Path) -> None:
    assert has_ended(told(), a_proc(tmp_path, None))


def test_machine_without_proc_tells_nothing(tmp_path: Path) -> None:
    assert this_process(tmp_path) is None
    assert not has_ended(told(), tmp_path)
