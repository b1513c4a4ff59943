"""Which photographs a directory has, and what they show."""

import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path

SHOWN = 8  # photographs on the page
LOOKED_AT = 10_000  # names of one directory; the rest is not seen
CAPTIONS = "captions.json"
CAPTIONS_SIZE = 64 * 1024  # bytes; a larger file is left alone
SUFFIXES = frozenset({".avif", ".gif", ".jpeg", ".jpg", ".png", ".webp"})


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that `file=` can name, and a sentence for those who cannot see it."""

    name: str
    caption: str


def find_photographs(directory: Path) -> list[Photograph]:
    """The first SHOWN image files right in the directory, by name; none when it cannot be read.

    Their captions are taken from `captions.json` beside them, a JSON object of file name to text;
    a file without one is called by its name. Blocks.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(
                entry.name
                for entry in itertools.islice(entries, LOOKED_AT)
                if Path(entry.name).suffix.lower() in SUFFIXES
                and not entry.name.startswith(".")
                and entry.is_file(follow_symlinks=False)
                and entry.name.isprintable()
            )
    except OSError:
        return []
    captions = _captions(directory / CAPTIONS)
    return [Photograph(name, captions.get(name) or _spelt(name)) for name in names[:SHOWN]]


def _captions(file: Path) -> dict[str, str]:
    try:
        if file.stat().st_size > CAPTIONS_SIZE:
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _spelt(name: str) -> str:
    return Path(name).stem.replace("-", " ").replace("_", " ").strip() or name
