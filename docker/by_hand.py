"""The steps of the Dockerfile without a container engine, in plain directories; then it is run.

    sudo python3 docker/by_hand.py ROOT SCRATCH

ROOT takes the place of the base image: a Debian with `python`, as debootstrap makes it. What this
does not show: that the base image can be pulled, layers and their cache, and what an engine adds
around the process (its network, its limits).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = Path(__file__).resolve().parent.parent
PORT = "18080"
# What the run is allowed: a root that cannot be written, no privileges, /data and /tmp in memory.
CONTAINER = """
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0"
mount -t tmpfs -o uid=10001,gid=10001 none data
mount -t tmpfs none tmp
mount -t proc none proc
exec chroot --userspec="$1" . /usr/bin/env -i "${@:2}"
"""


@dataclass
class Stage:
    """One FROM with all that follows it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and arguments of each instruction; lines that are continued become one."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", kept).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


class Builder:
    """Carries the stages out, each in a directory of its own below `scratch`."""

    def __init__(self, base: Path, scratch: Path) -> None:
        self.base, self.scratch = base, scratch
        self.stages: dict[str, Stage] = {}
        self.now = Stage(base)

    def build(self, wanted: str) -> Stage:
        """The stage of this name; those behind it are not made."""
        for name, rest in instructions((CONTEXT / "docker" / "Dockerfile").read_text()):
            if name == "FROM" and wanted in self.stages:
                break
            print(f"-- {name} {rest[:100]}", flush=True)
            began = time.perf_counter()
            getattr(self, f"do_{name.lower()}")(rest)
            print(f"   {time.perf_counter() - began:.1f} s", flush=True)
        return self.stages[wanted]

    def do_arg(self, rest: str) -> None:
        """Only the base image is named by one."""

    def do_from(self, rest: str) -> None:
        source, _, name = re.split(r"\s+", rest)
        known = self.stages.get(source)
        root = self.scratch / name
        base = str(known.root if known else self.base)
        subprocess.run(["cp", "-a", "--reflink=auto", base, str(root)], check=True)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.now = Stage(root, dict(known.environment) if known else {"PATH": path})
        self.stages[name] = self.now

    def do_env(self, rest: str) -> None:
        for item in shlex.split(rest):
            name, _, value = item.partition("=")
            self.now.environment[name] = value.replace("${PATH}", self.now.environment["PATH"])

    def do_workdir(self, rest: str) -> None:
        self.now.workdir = rest
        self.inside(rest).mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest: str) -> None:
        *sources, target = rest.split()
        origin = CONTEXT
        if sources[0].startswith("--from="):
            origin = self.stages[sources.pop(0).removeprefix("--from=")].root
        for source in sources:
            here = origin / source.lstrip("/")
            to = self.inside(target)
            if here.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(here, to, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                if target.endswith("/"):
                    to.mkdir(parents=True, exist_ok=True)
                shutil.copy(here, to)

    def do_run(self, rest: str) -> None:
        variables = [f"{name}={value}" for name, value in self.now.environment.items()]
        shell = ("/bin/sh", "-c", f"cd {self.now.workdir} && {rest}")
        inside = ["chroot", str(self.now.root), "/usr/bin/env", "-i", *variables, *shell]
        subprocess.run(inside, check=True)

    def do_user(self, rest: str) -> None:
        self.now.user = rest

    def do_healthcheck(self, rest: str) -> None:
        self.now.health = _listed(rest.partition("CMD ")[2])

    def do_entrypoint(self, rest: str) -> None:
        self.now.entrypoint = _listed(rest)

    def do_cmd(self, rest: str) -> None:
        self.now.command = _listed(rest)

    def do_expose(self, rest: str) -> None:
        """Nothing to do without an engine's network."""

    do_volume = do_stopsignal = do_expose

    def inside(self, path: str) -> Path:
        """A path of the stage, as this machine knows it."""
        return self.now.root / (Path(self.now.workdir) / path).relative_to("/")


def try_out(stage: Stage) -> None:
    """Serve a picture as an engine with a read-only root would; AssertionError when it does not."""
    with contained(stage, *stage.entrypoint, *stage.command) as server:
        began = time.perf_counter()
        while contained(stage, *stage.health).wait() != 0:
            assert server.poll() is None, f"it ended with {server.returncode}"
            assert time.perf_counter() - began < 20, "it is not healthy"
        print(f"healthy after {time.perf_counter() - began:.1f} s")
        user = Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(rf"^Uid:\s+{stage.user.partition(':')[0]}\s", user, re.MULTILINE)
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=10) as answer:
            print(f"/readyz: {answer.read().decode()}")
        assert contained(stage, "sh", "-c", "! touch /opt/imcaxy/here").wait() == 0
        assert contained(stage, *stage.entrypoint, "check").wait() == 0
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, "it did not stop by itself"
    assert contained(stage, *stage.health).wait() != 0, "a server that is gone is called healthy"


def contained(stage: Stage, *command: str) -> "subprocess.Popen[bytes]":
    """The command in the stage, with its root read-only."""
    environment = {**stage.environment, "IMCAXY_HOST": "127.0.0.1", "IMCAXY_PORT": PORT}
    variables = [f"{name}={value}" for name, value in environment.items()]
    inside = ["bash", "-ec", CONTAINER, str(stage.root), stage.user, *variables, *command]
    return subprocess.Popen(["unshare", "--mount", *inside])


def _listed(text: str) -> list[str]:
    return [str(item) for item in json.loads(text)]


def main() -> int:
    """0 when every step worked and what came out serves."""
    if len(sys.argv) != 3 or os.geteuid() != 0:
        print(__doc__)
        return 2
    base, scratch = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    scratch.mkdir(parents=True)
    stage = Builder(base, scratch).build("server")
    for name in ("opt/imcaxy", "."):
        used = subprocess.run(["du", "-sm", stage.root / name], capture_output=True, check=True)
        print(f"{int(used.stdout.split()[0])} MB in /{name}")
    try_out(stage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
