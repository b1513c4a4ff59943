import os
from pathlib import Path

import pytest

from imcaxy.machine import memory_of_machine

BUILT_IN = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("group", "file", "text", "expected"),
    [
        ("0::/a\n", "a/memory.max", "536870912\n", 512 * 2**20),
        ("0::/a\n", "memory.max", "536870912\n", 512 * 2**20),
        ("0::/a\n", "a/memory.max", "max\n", BUILT_IN),
        ("0::/\n", "other", "1\n", BUILT_IN),
        ("9:cpu:/b\n4:memory:/b\n", "memory/b/memory.limit_in_bytes", "1048576\n", 2**20),
        ("4:memory:/b\n", "memory/memory.limit_in_bytes", "9223372036854771712\n", BUILT_IN),
    ],
)
def test_memory_is_what_is_built_in_or_what_the_cgroup_grants(
    tmp_path: Path, group: str, file: str, text: str, expected: int
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(group)
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert memory_of_machine(tmp_path) == expected


def test_memory_without_cgroups_is_what_is_built_in(tmp_path: Path) -> None:
    assert memory_of_machine(tmp_path) == BUILT_IN
