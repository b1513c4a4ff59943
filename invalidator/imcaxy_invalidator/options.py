"""What the command is told: by options, else by the environment, else by a file, else defaults."""

import argparse
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from imcaxy_invalidator import __version__
from imcaxy_invalidator.errors import Misused

PREFIX = "IMCAXY_INVALIDATOR_"
SECRET = frozenset({"token"})
ONLY_HERE = frozenset({"help", "version", "config"})  # options that are no settings

Value = str | float | bool | list[str]
Kind = Literal["text", "list", "switch", "seconds", "count"]


@dataclass(frozen=True, slots=True)
class Options:
    """All settings, checked for form. The name of a field is that of its option."""

    server: str = ""
    token: str = ""
    map: tuple[str, ...] = ()
    project: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    repository: str = "."
    commit: str = "HEAD"
    since: str = ""
    all: bool = False
    folders: bool = False
    manifest: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    digests: str = ".imcaxy-digests.json"
    wait: float = 0.0
    wait_for_change: float = 0.0
    allow_unconfirmed: bool = False
    timeout: float = 60.0
    attempts: int = 6
    dry_run: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class _Option:
    flag: str
    shape: str  # what follows the flag; "" for a switch
    kind: Kind
    text: str

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


GROUPS: dict[str, list[_Option]] = {
    "to begin with": [
        _Option("--server", "URL", "text", "where Imcaxy answers"),
        _Option("--token", "TOKEN", "text", "its token; better set in the environment"),
        _Option("--map", "DIR/=URL", "list", "where the files of a folder are published"),
    ],
    "which files": [
        _Option("--include", "GLOB", "list", "files that count; by default all kinds of images"),
        _Option("--exclude", "GLOB", "list", "files that do not"),
        _Option("--manifest", "FILE=URL", "list", "names that a bundler gave; where they are"),
        _Option("--compare", "DIR", "list", "build output that git does not track"),
        _Option("--digests", "FILE", "text", "its digests of last time (.imcaxy-digests.json)"),
        _Option("--all", "", "switch", "every tracked file that counts, changed or not"),
        _Option("--folders", "", "switch", "all that is published in the mapped folders"),
    ],
    "how": [
        _Option("--project", "NAME", "text", "who purges; by default the remote: acme/shop"),
        _Option("--repository", "DIR", "text", "the git repository (.)"),
        _Option("--commit", "COMMIT", "text", "what is deployed (HEAD)"),
        _Option("--since", "COMMIT", "text", "compare with this, not with the last purge"),
        _Option("--wait", "SECONDS", "seconds", "for every instance to confirm (0)"),
        _Option("--wait-for-change", "SECONDS", "seconds", "until the site has the new files (0)"),
        _Option("--allow-unconfirmed", "", "switch", "end with 0 where it would be 3"),
        _Option("--timeout", "SECONDS", "seconds", "for one answer (60)"),
        _Option("--attempts", "N", "count", "calls until the server counts as unreachable (6)"),
        _Option("--dry-run", "", "switch", "say what would be purged, and purge nothing"),
        _Option("--json", "", "switch", "print one JSON object instead of a table"),
    ],
}
KNOWN = {option.name: option for group in GROUPS.values() for option in group}


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The settings in force. Raises Misused; ends the program for --help and --version."""
    given = {
        name: value
        for name, value in vars(parser().parse_args(arguments)).items()
        if value is not None
    }
    config = given.pop("config", None) or environment.get(f"{PREFIX}CONFIG")
    spoken = {name: _parsed(KNOWN[name], value, KNOWN[name].flag) for name, value in given.items()}
    around = _from_environment(environment)
    where = Path(str({**around, **spoken}.get("repository", ".")))
    return _checked({**_from_file(config, where), **around, **spoken})


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="imcaxy-invalidator",
        usage="imcaxy-invalidator --server URL --token TOKEN --map DIR/=URL [options]",
        description="Purges from Imcaxy the pictures that changed in git since the last purge.",
        epilog="exit codes: 0 done, 2 usage, 3 unconfirmed, 4 refused, 5 unreachable\n"
        f"Also by {PREFIX}SERVER (lists: one per line), [tool.imcaxy] or imcaxy.toml.",
        formatter_class=_formatter,
        allow_abbrev=False,
        add_help=False,
    )
    for title, options in GROUPS.items():
        group = made.add_argument_group(title)
        for it in options:
            if it.kind == "switch":
                group.add_argument(it.flag, action="store_true", default=None, help=it.text)
            else:
                action = "append" if it.kind == "list" else "store"
                group.add_argument(it.flag, action=action, metavar=it.shape, help=it.text)
    made.add_argument("--config", help=argparse.SUPPRESS)
    made.add_argument("--help", "-h", action="help", help=argparse.SUPPRESS)
    made.add_argument("--version", action="version", version=__version__, help=argparse.SUPPRESS)
    return made


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or not text.strip():
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name == "config":
            continue
        if name not in KNOWN:
            raise Misused(f"{variable} is no setting of this program: see --help")
        option = KNOWN[name]
        value: object = text
        if option.kind == "list":
            value = [line.strip() for line in text.splitlines() if line.strip()]
        found[name] = _parsed(option, value, variable)
    return found


def _from_file(config: str | None, repository: Path) -> dict[str, Value]:
    """The settings of the first of these that is there: `config`, imcaxy.toml, pyproject.toml."""
    if config is not None:
        return _settings(_toml(Path(config)), config)
    plain, project = repository / "imcaxy.toml", repository / "pyproject.toml"
    if plain.is_file():
        return _settings(_toml(plain), str(plain))
    if project.is_file():
        table = _toml(project).get("tool", {}).get("imcaxy", {})
        return _settings(table, f"{project} [tool.imcaxy]")
    return {}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{path} cannot be read: {error}") from None


def _settings(table: Mapping[str, object], named: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in SECRET:
            raise Misused(f"{named}: a token does not belong into a file that git tracks")
        if name not in KNOWN:
            raise Misused(f"{named}: {key} is no setting; those are {', '.join(sorted(KNOWN))}")
        found[name] = _parsed(KNOWN[name], value, f"{named}: {key}")
    return found


def _parsed(option: _Option, value: object, named: str) -> Value:
    """The value in its own type; raises Misused."""
    if option.kind == "list":
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and all(isinstance(it, str) for it in value):
            return value
        raise Misused(f"{named} is a list of texts")
    if option.kind == "switch":
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise Misused(f"{named} is true or false, not {value!r}")
    if option.kind == "text":
        if isinstance(value, str):
            return value
        raise Misused(f"{named} is a text")
    return _number(option, value, named)


def _number(option: _Option, value: object, named: str) -> float:
    whole = option.kind == "count"
    form = r"[1-9]\d{0,2}" if whole else r"\d{1,6}(\.\d+)?"
    if isinstance(value, bool) or not re.fullmatch(form, str(value)):
        wanted = "a number from 1 to 999" if whole else "a number of seconds"
        raise Misused(f"{named} is {wanted}, not {value!r}")
    return int(str(value)) if whole else float(str(value))


def _checked(values: Mapping[str, Value]) -> Options:
    types = {it.name for it in fields(Options)}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in types
    }
    options = Options(**chosen)
    if not options.server:
        raise Misused(f"--server (or {PREFIX}SERVER) is missing: where does Imcaxy answer?")
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", options.server):
        raise Misused(f"--server {options.server!r} is no address: https://images.example.com is")
    if not options.map and not options.manifest:
        raise Misused(
            f"--map (or {PREFIX}MAP) is missing: write --map public/=https://site.example/ "
            "if the files in public/ are published there"
        )
    return options


def environment() -> Mapping[str, str]:
    """The variables that the process was started with."""
    return os.environ
