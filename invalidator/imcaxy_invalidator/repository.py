"""Facts out of git: commits, trees, differences. Names come NUL-separated: any name will do."""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

# GitPython looks for git when it is imported; a machine without it gets our sentence, not its own.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import git

from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.paths import text_of

LINK, GITLINK = "120000", "160000"  # modes: symbolic link, submodule
FETCH = 300.0  # seconds until a fetch is given up

_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE)


class GitFailed(Misused):
    """git ended with an error."""


@dataclass(frozen=True, slots=True)
class File:
    """One tracked file, as a tree has it."""

    path: str
    mode: str
    blob: str  # id; of a submodule, its commit


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that two trees have differently."""

    path: str
    status: str  # A added, M modified (or another type), D deleted
    old_mode: str
    mode: str
    old: str  # id of what was there, zeros when nothing was
    new: str


class Repository:
    """One git repository, with or without a work tree. Changes nothing in it but what a fetch adds.

    Raises Misused when the directory is in no repository, or git is missing.
    """

    def __init__(self, directory: Path, *, search: bool = True) -> None:
        try:
            self._repo = git.Repo(directory, search_parent_directories=search)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError):
            raise Misused(f"{directory} is in no git repository") from None
        except git.GitCommandNotFound:
            raise Misused("git is not installed") from None

    def close(self) -> None:
        """End the git processes that read objects."""
        self._repo.close()

    @property
    def root(self) -> Path:
        """The work tree, or the repository itself where there is none."""
        return Path(self._repo.working_tree_dir or self._repo.git_dir)

    @property
    def shallow(self) -> bool:
        """Whether the clone holds only part of its history."""
        return self._text("rev-parse", "--is-shallow-repository") == "true"

    @property
    def origin(self) -> str | None:
        """The path of the remote's address without `.git`: `acme/shop`; None without a remote."""
        remote = self._remote()
        if remote is None:
            return None
        url = self._text("config", "--get", f"remote.{remote}.url")
        path = re.sub(r"^[a-z+]+://[^/]*/|^[^/:]+:", "", url, flags=re.IGNORECASE)
        return path.strip("/").removesuffix(".git") or None

    def commit(self, name: str = "HEAD") -> str:
        """The full id of a commit; raises Misused when there is none of this name."""
        try:
            return self._text("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        except GitFailed as error:
            raise Misused(self._reason(error, f"{name!r} names no commit")) from None

    def has(self, commit: str) -> bool:
        """Whether the clone holds this commit and its tree."""
        if not _COMMIT.fullmatch(commit):
            return False
        try:
            self._text("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
            self._bytes("ls-tree", "--full-tree", commit)
        except GitFailed:
            return False
        return True

    def fetch(self, commit: str) -> bool:
        """Ask the remote for one commit; whether the clone holds it then.

        A shallow clone stays as shallow as it was, a full one stays full.
        """
        remote = self._remote()
        if remote is None or not _COMMIT.fullmatch(commit):
            return False
        depth = ["--depth=1"] if self.shallow else []
        quiet = ["--quiet", "--no-tags", "--no-recurse-submodules"]
        try:
            self._bytes("fetch", *quiet, *depth, remote, commit, seconds=FETCH)
        except GitFailed:
            return False
        return self.has(commit)

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether the history that is here leads from `new` back to `old`."""
        try:
            self._bytes("merge-base", "--is-ancestor", old, new)
        except GitFailed:
            return False
        return True

    def tracked(self, commit: str) -> list[File]:
        """Every file of a commit's tree, links and submodules too."""
        listed = self._bytes("ls-tree", "-r", "-z", "--full-tree", commit)
        files = []
        for row in _fields(listed):
            facts, _, name = row.partition(b"\t")
            mode, _, blob = facts.decode().split()
            files.append(File(text_of(name), mode, blob))
        return files

    def differences(self, old: str, new: str) -> list[Difference]:
        """Every path that two commits have differently; a renamed file is one gone and one new."""
        options = ["-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative"]
        options += ["--ignore-submodules=none", "--no-ext-diff", "--no-textconv"]
        fields = iter(_fields(self._bytes("diff-tree", *options, old, new)))
        return [_difference(facts, name) for facts, name in zip(fields, fields, strict=True)]

    def sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """Bytes of each blob that is here."""
        rows = self._batch("--batch-check", blobs).decode().splitlines()
        parts = (row.split() for row in rows)
        return {it[0]: int(it[2]) for it in parts if len(it) == 3}

    def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The bytes of each blob that is here, all in memory at once."""
        found = {}
        output = memoryview(self._batch("--batch", blobs))
        while output:
            end = bytes(output[:256]).index(b"\n")
            blob, _, size = bytes(output[:end]).decode().partition(" ")
            if size == "missing":
                output = output[end + 1 :]
                continue
            length = int(size.split()[1])
            found[blob] = bytes(output[end + 1 : end + 1 + length])
            output = output[end + 2 + length :]
        return found

    def file_at(self, commit: str, file: Path) -> bytes | None:
        """The content that a commit has for a file of the work tree; None when it has none."""
        place, root = file.resolve(), self.root.resolve()
        if not place.is_relative_to(root):
            return None
        try:
            name = f"{commit}:{place.relative_to(root).as_posix()}"
            blob = self._text("rev-parse", "--verify", "--end-of-options", name)
            return self.contents([blob]).get(blob)
        except GitFailed:
            return None

    def submodule(self, path: str) -> "Repository | None":
        """The clone of a submodule; None when it is not checked out."""
        directory = self.root / os.fsdecode(path.encode("utf-8", "surrogateescape"))
        if not (directory / ".git").exists():
            return None
        try:
            return Repository(directory, search=False)
        except Misused:
            return None

    def _remote(self) -> str | None:
        names = [it.name for it in self._repo.remotes]
        return "origin" if "origin" in names else next(iter(names), None)

    def _text(self, *arguments: str) -> str:
        return text_of(self._bytes(*arguments)).strip()

    def _bytes(self, *arguments: str, seconds: float | None = None) -> bytes:
        return self._run(arguments, None, seconds)

    def _batch(self, mode: str, blobs: Iterable[str]) -> bytes:
        with tempfile.TemporaryFile() as names:
            names.writelines(f"{it}\n".encode() for it in blobs)
            names.seek(0)
            return self._run(("cat-file", mode), cast("BinaryIO", names), None)

    def _run(
        self, arguments: Sequence[str], given: BinaryIO | None, seconds: float | None
    ) -> bytes:
        try:
            output = self._repo.git.execute(
                ["git", *arguments],
                istream=given,
                env={"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=seconds,
            )
        except git.GitCommandNotFound:
            raise Misused("git is not installed") from None
        except git.GitCommandError as error:
            said = str(error.stderr).strip()
            raise GitFailed(f"git {arguments[0]} failed in {self.root}: {said}") from None
        assert isinstance(output, bytes)  # noqa: S101 - narrows what the library leaves open
        return output

    def _reason(self, error: GitFailed, otherwise: str) -> str:
        if "dubious ownership" in str(error):
            return (
                f"git does not trust {self.root}, which another user owns: "
                f"git config --global --add safe.directory {self.root}"
            )
        return otherwise


def _fields(output: bytes) -> list[bytes]:
    return output.split(b"\0")[:-1]


def _difference(facts: bytes, name: bytes) -> Difference:
    old_mode, mode, old, new, status = facts.decode().removeprefix(":").split()
    return Difference(
        text_of(name), status if status in {"A", "D"} else "M", old_mode, mode, old, new
    )
