"""Programs built from pinned sources; every file that goes in has a checksum in `pins/`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.place import PINS, Place, ServiceError

DEBIAN = ("libvips-dev", "pkg-config", "gcc", "libc6-dev")  # what bindings to libvips need


class Program(Protocol):
    """Something that can be built into one executable."""

    def pins(self) -> bytes:
        """All that decides what comes out: another value means another program."""
        ...

    def build(self, scratch: Path, to: Path) -> None:
        """Leave the executable at `to`; raises ServiceError."""
        ...


def path_of(place: Place, name: str, program: Program) -> Path:
    """Where the executable is, or will be."""
    digest = hashlib.sha256(program.pins()).hexdigest()[:12]
    return place.folder / "bin" / f"{name}-{digest}"


def built(place: Place, name: str, program: Program) -> Path:
    """The executable; built when there is none of these pins yet."""
    executable = path_of(place, name, program)
    if not executable.exists():
        print(f"{name}: building it, once ...", flush=True)
        began = time.perf_counter()
        scratch = place.folder / "build" / name
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        program.build(scratch, executable)
        shutil.rmtree(scratch)
        print(f"{name}: built in {time.perf_counter() - began:.0f} s", flush=True)
    return executable


@dataclass(frozen=True)
class GoProgram:
    """A Go package, built from a module of our own that pins it (`pins/NAME/go.mod`, `go.sum`).

    `go install PACKAGE@VERSION` would not do: it heeds no pins of what the package itself needs.
    """

    name: str
    package: str
    flags: str = ""  # for the linker
    libvips: bool = False

    def pins(self) -> bytes:
        """The module's files, and how it is built."""
        parts = (PINS / self.name / each for each in ("go.mod", "go.sum"))
        return b"\n".join([*(part.read_bytes() for part in parts), repr(self).encode()])

    def build(self, scratch: Path, to: Path) -> None:
        """Build it; the Go tools compare every module with its checksum."""
        if self.libvips:
            _need_libvips()
        for each in ("go.mod", "go.sum"):
            shutil.copy(PINS / self.name / each, scratch)
        go_build(scratch, self.package, to, self.flags, cgo=self.libvips)


@dataclass(frozen=True)
class PatchedGoModule:
    """A Go module built in a copy of it, with files that its published form lacks.

    The module's own go.sum, which `checksum` covers, pins what it needs.
    """

    name: str
    module: str
    version: str
    checksum: str  # of the module, as `go mod download -json` tells it
    package: str
    added: Mapping[str, str] = field(default_factory=dict, hash=False)  # path to content

    def pins(self) -> bytes:
        """The module's checksum, and how it is built."""
        return repr(self).encode()

    def build(self, scratch: Path, to: Path) -> None:
        """Build a copy of the module in which the added files stand."""
        downloaded = json.loads(
            run(scratch, ["go", "mod", "download", "-json", f"{self.module}@{self.version}"])
        )
        if downloaded["Sum"] != self.checksum:
            raise ServiceError(f"{self.name}: the source is not the one that was pinned")
        copy = scratch / "source"
        shutil.copytree(downloaded["Dir"], copy)
        for folder, _, files in os.walk(copy):
            Path(folder).chmod(0o755)
            for each in files:
                Path(folder, each).chmod(0o644)
        for path, content in self.added.items():
            (copy / path).write_text(content)
        go_build(copy, self.package, to, "", cgo=False)


@dataclass(frozen=True)
class PythonProgram:
    """A command of a Python package, in an environment of its own (`pins/NAME.txt`)."""

    name: str
    command: str

    def pins(self) -> bytes:
        """The packages' hashes, and the Python that they are for."""
        return (PINS / f"{self.name}.txt").read_bytes() + sys.version.encode()

    def build(self, scratch: Path, to: Path) -> None:
        """Install it beside `to`, which becomes a link to the command."""
        home = to.with_name(f"{to.name}-venv")
        run(scratch, [sys.executable, "-m", "venv", "--clear", str(home)])
        requirements = str(PINS / f"{self.name}.txt")
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        pinned = ["--require-hashes", "--only-binary", ":all:", "-r", requirements]
        run(scratch, [str(home / "bin" / "python"), "-m", "pip", "install", *quiet, *pinned])
        to.symlink_to(home / "bin" / self.command)


def go_build(folder: Path, package: str, to: Path, flags: str, *, cgo: bool) -> None:
    """Build `package` as the module in `folder` pins it."""
    half = to.with_name(f"{to.name}.half")
    run(
        folder,
        ["go", "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(half), package],
        GOFLAGS="-mod=readonly -buildvcs=false",
        GOWORK="off",
        CGO_ENABLED="1" if cgo else "0",
    )
    half.rename(to)


def run(folder: Path, command: list[str], **environment: str) -> str:
    """The output of a command that other work is not to notice; ServiceError when it fails."""
    program = shutil.which(command[0])
    if program is None:
        raise ServiceError(f"{command[0]} is not installed, and building needs it")
    done = subprocess.run(
        ["nice", "-n", "10", program, *command[1:]],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(f"`{' '.join(command)}` failed:\n{tail}")
    return done.stdout


def _need_libvips() -> None:
    if shutil.which("pkg-config") and _succeeds("pkg-config", "--exists", "vips"):
        return
    if not (shutil.which("apt-get") and os.geteuid() == 0):
        raise ServiceError(f"libvips is missing; as root: apt-get install {' '.join(DEBIAN)}")
    print(f"installing {' '.join(DEBIAN)} ...", flush=True)
    quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    run(Path("/"), [*quiet, "update"])
    run(
        Path("/"),
        [*quiet, "install", "--yes", "--no-install-recommends", *DEBIAN],
        DEBIAN_FRONTEND="noninteractive",
    )


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
