"""What the memory tier takes by the system's figures, against what it counts."""

import gc
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_hex

import pytest

from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.source import parse_source_url
from imcaxy.grammar.variant import Head, LogPosition
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.catalog import rows
from imcaxy.store.catalog.base import Entry
from imcaxy.store.memory import MemoryTier

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


def read_from_catalog(number: int, length: int) -> Entry:
    """An entry of a shop's photograph, its texts objects of its own as a row's are."""
    url = f"https://www{number % 5}.example.com/media/{number % 200}/products/{number}/photo.jpg"
    source = parse_source_url(url)
    entry = Entry(
        blob=token_hex(16),
        signature=sha256(str(number).encode()).hexdigest(),
        keys=purge_keys([source]),
        as_of=LogPosition(number % 9, token_hex(16)),
        sum=BlobSum(length, token_hex(32)),
        head=Head("image/webp", length, f'"{token_hex(16)}"', 1.7e9 + number),
        cost=0.1 + number * 1e-9,
        used=1.7e9 + number,
        request=f"resize?url={url}&width={number % 2000}",
    )
    return rows.to_entry(rows.from_entry(entry))


def resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(limit: int, count: int, length: int) -> None:
    """Prints how much more is resident with a full tier, which has held `count` in turn."""
    tier = MemoryTier(limit)
    read_from_catalog(0, length)
    before = resident()
    for number in range(count):
        tier.put(read_from_catalog(number, length), token_bytes(length))
    assert limit * 0.9 < tier.bytes <= limit
    sys.stdout.write(f"{len(tier)} {resident() - before}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "count", "length"),
    [(420 * MIB, 125_000, 300), (128 * MIB, 100_000, 300), (128 * MIB, 20_000, 20_000)],
    ids=["100k small ones", "small ones come and go", "ordinary ones come and go"],
)
def test_full_tier_takes_no_more_memory_than_its_limit(limit: int, count: int, length: int) -> None:
    source = (
        "import runpy, sys; sys.path.insert(0, '.');"
        f"runpy.run_path({str(Path(__file__))!r})['main']({limit}, {count}, {length})"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, check=True, capture_output=True, text=True
    )
    held, taken = map(int, done.stdout.split())
    assert taken <= limit
    assert taken >= limit * 0.7, f"it counts much more than it takes: {held} in {taken}"
    if limit > 400 * MIB:
        assert held >= 100_000


@pytest.mark.slow
def test_purge_of_a_full_tier_takes_one_short_step() -> None:
    tier = MemoryTier(1024 * MIB)
    for number in range(100_000):
        tier.put(read_from_catalog(number, 10), b"0123456789")
    assert len(tier) == 100_000
    everything, host, *_, file = read_from_catalog(7, 10).keys
    for key in (file, host, everything):
        began = time.perf_counter()
        tier.drop_keys([key], below=9)
        assert time.perf_counter() - began < 0.1, key  # dropping each takes a second
    assert tier.get(read_from_catalog(7, 10).signature) is None
    assert tier.get(read_from_catalog(8, 10).signature) is None
