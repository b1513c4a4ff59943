"""Names that a bundler gave to files: from what is tracked to what is published."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.paths import composed, escaped
from imcaxy_invalidator.places import published_at

_NESTED = ("files", "assets")  # where some bundlers keep the table of names
_ABSOLUTE = re.compile(r"(?:https?:)?//", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One `--manifest`: the names of source files, and the address that names are relative to."""

    file: str
    url: str
    names: Mapping[str, tuple[str, ...]]

    def addresses(self, path: str) -> list[str]:
        """The addresses of what was made from a tracked file.

        The manifest may name files from a folder below the repository's root.
        """
        whole = f"/{composed(path)}"
        return [
            self.address(name)
            for source, names in self.names.items()
            if whole.endswith(f"/{composed(source)}")
            for name in names
        ]

    def moved(self, before: "Manifest") -> list[str]:
        """The addresses, old and new, of names that another state of the manifest has not."""
        old = {name for names in before.names.values() for name in names}
        new = {name for names in self.names.values() for name in names}
        return [self.address(name) for name in sorted(old ^ new)]

    def address(self, name: str) -> str:
        """The address of one published name; a query is none of the file's own."""
        plain = name.partition("#")[0].partition("?")[0]
        if _ABSOLUTE.match(plain):
            return urljoin(self.url, plain)
        return urljoin(f"{self.url}/", escaped(plain))


def read(text: str) -> Manifest:
    """The manifest that `dist/manifest.json=https://site.example/` names; raises Misused."""
    match = re.fullmatch(r"(.+?)=(https?://.*)", text, re.IGNORECASE | re.DOTALL)
    if match is None:
        raise Misused(f"--manifest {text!r}: write it as dist/manifest.json=https://site.example/")
    try:
        content = Path(match[1]).read_bytes()
    except OSError as error:
        raise Misused(f"--manifest {match[1]} cannot be read: {error.strerror}") from None
    return parse(match[1], published_at(match[2], f"--manifest {text!r}"), content)


def parse(file: str, url: str, content: bytes) -> Manifest:
    """The manifest with this content, as Vite, webpack, Rails, Laravel and others write it."""
    try:
        table = json.loads(content)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise Misused(f"--manifest {file} is no JSON object")
    for nested in _NESTED:
        inner = table.get(nested)
        if isinstance(inner, dict) and all(isinstance(it, str) for it in inner.values()):
            table = inner
            break
    names = {_source(key): tuple(_names(value)) for key, value in table.items()}
    return Manifest(file, url, names)


def _source(key: str) -> str:
    return re.sub(r"^(?:\.{0,2}/)+", "", key)


def _names(value: object) -> Iterable[str]:
    """`"a-1.png"`, or `{"file": "a-1.png", …}`, or a list of either."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for it in value:
            yield from _names(it)
    elif isinstance(value, dict):
        for key in ("file", "src"):
            if key == "file" or "file" not in value:
                yield from _names(value.get(key))
