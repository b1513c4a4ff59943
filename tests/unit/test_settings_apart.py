"""Each runs in a process of its own, which has one thread and has not imported what validates."""

import subprocess
import sys

import pytest

from imcaxy.settings_reading import DECLARED, load
from imcaxy.settings_text import environment

PRELUDE = """
import os, select, signal, sys, threading
from imcaxy.errors import SettingsError
from imcaxy.settings_apart import load_apart

HERE = os.getpid()
reader, writer = os.pipe()


class Read(str):
    # A list of hosts that does something when it is read.
    def split(self, *_):
        return [self.read()]


def alone():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return "pydantic" not in sys.modules
    return False

"""
GIVEN = {  # one of each type, none of them the default
    "host": "::1",
    "port": "0",
    "imaginary_fetch": "imaginary",
    "width_rule": "snap",
    "source_dir": "/",
    "data_dir": "/somewhere/else",
    "allowed_domains": "a.example,b.example",
    "widths": "1,2,65535",
    "memory_limit": "10MiB",
    "scrub_rate": "17",
    "fetch_timeout": "2.5",
    "drain_timeout": "2",
    "max_entry_age": "1e8",
    "shared_max_age": "5",
    "keep": "false",
    "fallback": "source",
    "invalidate_security_token": "old-token,new-token",
    "minio_secret_key": "a\nb \N{GREEK SMALL LETTER ALPHA}",
}
COMPARISON = """
there = load_apart(int)
assert alone()
from imcaxy.settings_reading import load
here = load()
assert there == here and type(there) is type(here)
assert there.instance_name == f"{here.instance_name.rpartition('/')[0]}/{HERE}"


def types(value):
    return type(value), [types(each) for each in value] if isinstance(value, tuple) else []


print({n for n in vars(here) if types(getattr(here, n)) != types(getattr(there, n))} or "none")
"""


def told(code: str, **given: str) -> str:
    """What the code prints, in an environment of these settings."""
    ran = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**given),
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment():
        if name.upper().startswith("IMCAXY_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["defaults", "given"])
def test_settings_read_apart_have_the_same_values_and_types(given: dict[str, str]) -> None:
    assert told(COMPARISON, **given) == "none"


def test_settings_given_to_compare_are_of_every_declared_type() -> None:
    declared = {str(each.type) for each in DECLARED.values()}
    assert {str(DECLARED[name].type) for name in GIVEN} == declared


def test_settings_are_read_by_another_process_and_nothing_of_it_stays() -> None:
    code = """
before = len(os.listdir("/proc/self/fd"))
Read.read = lambda self: str(os.getpid())
(process,) = load_apart(int, allowed_domains=Read()).allowed_domains
print(int(process) != HERE, alone(), len(os.listdir("/proc/self/fd")) - before)
"""
    assert told(code) == "True True 0"


def test_meanwhile_is_called_here_while_the_other_process_reads() -> None:
    code = """
# It cannot end reading before `meanwhile` has written.
Read.read = lambda self: "meanwhile" if select.select([reader], [], [], 60)[0] else "before"
called = []
def meanwhile():
    called.append(os.getpid())
    os.write(writer, b"1")
print(*load_apart(meanwhile, allowed_domains=Read()).allowed_domains, called == [HERE], alone())
"""
    assert told(code) == "meanwhile True True"


def test_meanwhile_that_fails_is_told_and_no_process_stays() -> None:
    code = """
try:
    load_apart(lambda: 1 / 0)
except ZeroDivisionError:
    print(alone())
"""
    assert told(code) == "True"


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "os._exit(3)", "1 / 0"]
)
def test_settings_are_read_here_when_the_other_process_ends_without_them(end: str) -> None:
    code = f"""
Read.read = lambda self: str(HERE) if os.getpid() == HERE else {end}
print(load_apart(int, allowed_domains=Read()).allowed_domains == (str(HERE),))
"""
    assert told(code) == "True"


def test_settings_beside_other_threads_are_read_here() -> None:
    code = """
end = threading.Event()
threading.Thread(target=end.wait).start()
Read.read = lambda self: str(os.getpid())
called = []
settings = load_apart(lambda: called.append(1), allowed_domains=Read())
print(settings.allowed_domains == (str(HERE),), called)
end.set()
"""
    assert told(code) == "True []"


def test_mistakes_are_told_as_those_that_are_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
try:
    load_apart(int, workers="65")
except SettingsError as error:
    print(error.detail)
"""
    given = {"port": "x", "memory_limit": "much", "minio_endpoint": "minio:9000", "prot": "1"}
    found = told(code, **given)
    for name, value in environment(**given).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="IMCAXY_PORT=x") as here:
        load(workers="65")
    assert found.splitlines() == str(here.value).splitlines()
    assert len(found.splitlines()) == 5
