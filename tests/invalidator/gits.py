"""Real git repositories for tests, made by the git program, with names of bytes."""

import os
import subprocess
from pathlib import Path

CONFIG: tuple[str, ...] = (
    "user.name=Tess",
    "user.email=tess@example.com",
    "init.defaultBranch=main",
)
CONFIG += ("protocol.file.allow=always", "commit.gpgsign=false", "core.quotePath=true")


class Work:
    """A work tree."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def init(cls, directory: Path) -> "Work":
        """A new repository, without any commit."""
        directory.mkdir(parents=True)
        made = cls(directory)
        made.git("init", "--quiet")
        return made

    def clone(self, directory: Path, *options: str) -> "Work":
        """A clone over git's own protocol, so that `--depth` counts."""
        self.git("clone", "--quiet", *options, f"file://{self.directory}", str(directory))
        return Work(directory)

    def git(self, *arguments: str) -> str:
        """What git printed; the test fails when git did."""
        options = [word for it in CONFIG for word in ("-c", it)]
        ended = subprocess.run(
            ["git", *options, *arguments], cwd=self.directory, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode(errors="replace")
        return ended.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, name: str | bytes, content: bytes) -> None:
        """Write a file and the folders above it."""
        path = os.path.join(os.fsencode(self.directory), os.fsencode(name))  # noqa: PTH118 - bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
        Path(os.fsdecode(path)).write_bytes(content)

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self.directory / name).unlink()

    def commit(self, **files: bytes) -> str:
        """Commit all that is there, and files by keyword (`__` for `/`, `_png` at the end)."""
        for name, content in files.items():
            self.write(name.replace("__", "/").replace("_png", ".png"), content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        return self.head

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")
