import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from imcaxy.errors import SettingsError
from imcaxy.settings import Settings, load
from imcaxy.settings_apart import load_apart

FORGOTTEN = """
import sys
from imcaxy.settings_apart import load_apart
print(load_apart(int, port="0").port, "pydantic" in sys.modules)
"""


@pytest.fixture(autouse=True)
def _some_of_each_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.upper().startswith("IMCAXY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMCAXY_SOURCE_DIR", str(tmp_path))
    monkeypatch.setenv("IMCAXY_ALLOWED_DOMAINS", "a.example,b.example")
    monkeypatch.setenv("IMCAXY_MEMORY_LIMIT", "10MiB")
    monkeypatch.setenv("IMCAXY_FETCH_TIMEOUT", "2.5")
    monkeypatch.setenv("IMCAXY_INVALIDATE_SECURITY_TOKEN", "old-token,new-token")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_settings_read_apart_have_the_same_values(name: str) -> None:
    here, there = getattr(load(dev=True), name), getattr(load_apart(int, dev=True), name)
    if hasattr(here, "get_secret_value"):
        assert "old-token" not in repr(there)
        here, there = here.get_secret_value(), there.get_secret_value()
    assert there == here
    assert type(there) in (type(here), int)  # a size is a number of bytes


def test_settings_read_apart_tell_what_follows_from_them() -> None:
    here, there = load(), load_apart(int)
    assert (there.running, there.tokens) == (here.running, ("old-token", "new-token"))
    assert there.instance_name == here.instance_name  # of this process, not of the other


def test_settings_read_apart_mistakes_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_MEMORY_LIMIT", "much")
    with pytest.raises(SettingsError, match="IMCAXY_MEMORY_LIMIT"):
        load_apart(int)


def test_settings_beside_other_threads_are_read_here() -> None:
    end = Event()
    other = Thread(target=end.wait)
    other.start()
    try:
        assert isinstance(load_apart(int), Settings)
    finally:
        end.set()
        other.join()


def test_settings_read_apart_leave_no_library_and_no_process_behind() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["0", "False"]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
