"""What the operating system has back once pictures are freed; in a process of its own."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
from pathlib import Path
from imcaxy.allocator import give_back_large_pieces
if {tuned}:
    give_back_large_pieces()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
del_me = bytes(20_000_000)  # raises glibc's own threshold when it is freed
del del_me
before = resident()
pieces = [bytes([n % 255 + 1]) * 65_536 for n in range(320)]
last = bytes([7]) * 60_000  # stays above them in the heap
del pieces
print(resident() - before)
"""


def grown(*, tuned: bool) -> int:
    run = [sys.executable, "-c", PROGRAM.format(tuned=tuned)]
    return int(subprocess.run(run, check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_give_back_large_pieces_returns_what_was_freed_below_what_is_used() -> None:
    assert grown(tuned=False) > 15_000_000
    assert grown(tuned=True) < 2_000_000
