"""Build output that git does not track: its files' digests, now and at the last purge."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from imcaxy_invalidator.changes import Change, Changes, Former
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.globs import Selection
from imcaxy_invalidator.paths import text_of

VERSION = 1

Digests = Mapping[str, str]  # path from the repository's root → SHA-256, hex


def taken(directory: str, root: Path, selection: Selection) -> dict[str, str]:
    """The digests of all files below the directory that count. Raises Misused.

    A directory outside the repository is named as it was given.
    """
    start = Path(directory)
    if not start.is_dir():
        raise Misused(f"--compare {directory} is no directory")
    whole = start.resolve()
    inside = whole.is_relative_to(root.resolve())
    prefix = whole.relative_to(root.resolve()) if inside else Path(directory)
    found = {}
    for path in _files(whole):
        name = text_of(os.fsencode((prefix / path.relative_to(whole)).as_posix()))
        if selection.takes(name):
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def differences(before: Digests | None, now: Digests) -> Changes:
    """What changed since the stored list; with none, every file counts."""
    if before is None:
        return Changes([Change(it, "tracked") for it in now])
    found = Changes()
    for path in sorted({*before, *now}):
        if path not in now:
            found.files.append(Change(path, "deleted", Former("sha256", before[path])))
        elif path not in before:
            found.files.append(Change(path, "added"))
        elif before[path] != now[path]:
            found.files.append(Change(path, "modified", Former("sha256", before[path])))
    return found


def load(file: Path) -> Digests | None:
    """The stored list; None when there is none yet. Raises Misused for a file of another kind."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Misused(f"--digests {file} cannot be read: {error}") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise Misused(f"--digests {file} is no list of digests of this program")
    files = document.get("files")
    if not isinstance(files, dict):
        raise Misused(f"--digests {file} is no list of digests of this program")
    return {str(path): str(digest) for path, digest in files.items()}


def store(file: Path, digests: Digests) -> None:
    """Keep the list for the next time: whole or not at all. Raises Misused."""
    document = {"version": VERSION, "files": dict(sorted(digests.items()))}
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        fresh.replace(file)
    except OSError as error:
        raise Misused(f"--digests {file} cannot be written: {error.strerror}") from None


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        if ".git" in folders:
            folders.remove(".git")
        yield from (path for name in files if (path := Path(folder, name)).is_file())
