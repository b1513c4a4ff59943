"""libvips with nothing around it: what `pictures.py` compares servers with.

Reads lines `file width type count` from standard input, makes that many pictures from the file by
the shortest way that libvips offers, and prints their bytes together.
"""

import sys
from pathlib import Path

import pyvips

pyvips.cache_set_max(0)
SAVERS = {"jpeg": "jpegsave_buffer", "webp": "webpsave_buffer"}


def make(path: Path, width: int, kind: str) -> bytes:
    """One picture of that width."""
    image = pyvips.Image.thumbnail_buffer(path.read_bytes(), width, height=100_000)
    body: bytes = getattr(image, SAVERS[kind])(Q=80, keep="none")
    return body


def main() -> None:
    """Work until standard input ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        path, width, kind, count = line.split()
        total = sum(len(make(Path(path), int(width), kind)) for _ in range(int(count)))
        print(total, flush=True)


if __name__ == "__main__":
    main()
