"""What changed in a repository: files and what they were, folders that nobody can look into."""

import hashlib
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from imcaxy_invalidator.paths import text_of
from imcaxy_invalidator.repository import GITLINK, LINK, Difference, File, Repository

Kind = Literal["added", "modified", "deleted", "tracked"]

POINTER = 1024  # bytes; a Git LFS pointer is smaller
CHAIN = 8  # links that point to links, at most
_LFS = re.compile(rb"version https://git-lfs\S*\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_KINDS: dict[str, Kind] = {"A": "added", "M": "modified", "D": "deleted"}


@dataclass(frozen=True, slots=True)
class Former:
    """What a file was before: enough to know it again, without keeping its bytes."""

    form: Literal["sha256", "git-sha1", "git-sha256"]
    digest: str  # hex

    def is_like(self, content: bytes) -> bool:
        """Whether these are the former bytes."""
        if self.form == "sha256":
            return hashlib.sha256(content).hexdigest() == self.digest
        named = b"blob %d\0" % len(content) + content
        kind = "sha256" if self.form == "git-sha256" else "sha1"
        return hashlib.new(kind, named, usedforsecurity=False).hexdigest() == self.digest


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is, or may be, another one than at the last purge."""

    path: str
    kind: Kind  # tracked: it is not known whether it changed
    former: Former | None = None  # of a modified or deleted file, where it is known


@dataclass(slots=True)
class Changes:
    """All that changed; `folders` are submodules that cannot be looked into: all of them may."""

    files: list[Change] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was done about the unusual

    def below(self, folder: str) -> "Changes":
        """The same, seen from the repository that has this one as a folder."""
        return Changes(
            [replace(it, path=f"{folder}/{it.path}") for it in self.files],
            [f"{folder}/{it}" for it in self.folders],
            self.notes,
        )

    def add(self, other: "Changes") -> None:
        """Take in what another repository says."""
        self.files += other.files
        self.folders += other.folders
        self.notes += other.notes


def changes_between(
    repository: Repository, old: str, new: str, *, formers: bool = False
) -> Changes:
    """All paths that two commits have differently, and links to such paths.

    Both commits must be here. With `formers`, files say what they were. A submodule that moved
    is looked into where its clone is here and has, or can fetch, both commits; else its folder
    stands for all that is in it.
    """
    found = Changes()
    differences = repository.differences(old, new)
    formerly = _formers(repository, differences) if formers else {}
    for it in differences:
        if GITLINK in {it.old_mode, it.mode}:
            found.add(_submodule(repository, it, formers=formers))
        if it.old_mode == GITLINK and it.mode == GITLINK:
            continue
        if {it.old_mode, it.mode} - {GITLINK, "000000"}:
            found.files.append(Change(it.path, _KINDS[it.status], formerly.get(it.old)))
        if LINK in {it.old_mode, it.mode}:
            found.folders.append(it.path)  # it may have been, or become, a folder's second name
    tracked = repository.tracked(new)
    found.files += _through_links(repository, tracked, found.files)
    return found


def all_tracked(repository: Repository, commit: str) -> Changes:
    """Every file of a commit, because nothing is known of what was before."""
    tracked = repository.tracked(commit)
    found = Changes([Change(it.path, "tracked") for it in tracked if it.mode != GITLINK])
    found.files += _through_links(repository, tracked, found.files)
    for it in tracked:
        if it.mode == GITLINK:
            found.folders.append(it.path)
            found.notes.append(f"submodule {it.path}: its whole folder is purged")
    return found


def _submodule(repository: Repository, moved: Difference, *, formers: bool) -> Changes:
    path = moved.path
    inner = None
    if moved.old_mode == moved.mode == GITLINK:
        inner = repository.submodule(path)
    if inner is not None:
        try:
            if all(inner.has(it) or inner.fetch(it) for it in (moved.old, moved.new)):
                found = changes_between(inner, moved.old, moved.new, formers=formers).below(path)
                found.notes.append(f"submodule {path}: {len(found.files)} of its files changed")
                return found
        finally:
            inner.close()
    note = f"submodule {path}: it cannot be looked into, so its whole folder is purged"
    return Changes([], [path], [note])


def _formers(repository: Repository, differences: Iterable[Difference]) -> dict[str, Former]:
    """What a site published for each old blob: of a Git LFS pointer, the file it points to."""
    unlike_files = {GITLINK, LINK}
    blobs = {it.old for it in differences if it.status != "A" and it.old_mode not in unlike_files}
    small = [blob for blob, size in repository.sizes(blobs).items() if size < POINTER]
    found = {it: Former("git-sha256" if len(it) == 64 else "git-sha1", it) for it in blobs}
    for blob, content in repository.contents(small).items():
        match = _LFS.match(content)
        if match is not None:
            found[blob] = Former("sha256", match[1].decode())
    return found


def _through_links(
    repository: Repository, tracked: list[File], changed: Iterable[Change]
) -> list[Change]:
    """The same changes under the names that symbolic links give them."""
    links = _targets(repository, [it for it in tracked if it.mode == LINK])
    seen = {it.path: it for it in changed}
    found: list[Change] = []
    fresh = list(seen.values())
    for _ in range(CHAIN if links else 0):
        aliases = [
            replace(it, path=link + it.path[len(target) :])
            for it in fresh
            for link, target in links.items()
            if it.path == target or it.path.startswith(f"{target}/")
        ]
        fresh = [it for it in aliases if it.path not in seen]
        seen.update((it.path, it) for it in fresh)
        found += fresh
    return found


def _targets(repository: Repository, links: list[File]) -> dict[str, str]:
    """The path that each link points to, by the link's own path."""
    names = repository.contents({it.blob for it in links}) if links else {}
    return {
        it.path: posixpath.normpath(
            posixpath.join(posixpath.dirname(it.path), text_of(names[it.blob]))
        )
        for it in links
        if it.blob in names
    }
