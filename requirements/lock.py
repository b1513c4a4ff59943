"""Writes requirements/*.txt from *.in and pyproject.toml, in an environment of its own.

The files name versions and hashes of every published file (so of every platform), and no registry.
"""

import os
import subprocess
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = [
    *("--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--quiet"),
    *("--upgrade", "--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
]
LOCKS = {
    "requirements/lock.txt": ["requirements/lock.in"],
    "requirements/build.txt": ["requirements/build.in"],
    "requirements/dev.txt": [
        *("--constraint", "requirements/build.txt"),  # one cffi for building and running
        *("pyproject.toml", "invalidator/pyproject.toml", "requirements/dev.in"),
    ],
    "requirements/run.txt": [  # of the image: what serving needs, in the versions that were tested
        *("--constraint", "requirements/dev.txt"),
        "pyproject.toml",
    ],
}


def main() -> None:
    """Pin the newest versions that the ranges allow."""
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        python = str(Path(scratch, "bin", "python"))
        _run(
            python, "-m", "pip", "install", "-q", "--require-hashes", "-r", "requirements/lock.txt"
        )
        for lock, sources in LOCKS.items():
            print(lock, flush=True)
            _run(python, "-m", "piptools", "compile", *OPTIONS, "--output-file", lock, *sources)


def _run(*command: str) -> None:
    environment = os.environ | {"CUSTOM_COMPILE_COMMAND": "make lock"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
