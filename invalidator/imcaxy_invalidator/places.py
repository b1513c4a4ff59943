"""Where files are published: from a path in the repository to the addresses it has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.paths import composed, escaped

_EQUALS = re.compile(r"=(?=https?://|file:)", re.IGNORECASE)  # a folder's name may have one, too
FILES = "file:"  # paths that follow it are not escaped
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Place:
    """One `--map`: a folder, or one file, and the address that it is published at."""

    segments: tuple[str, ...]  # of the path from the repository's root, composed
    url: str  # without the slash at the end; `file:` is the server's own directory

    def address(self, path: str) -> str | None:
        """The address of this path; None when the place does not hold it."""
        parts = path.split("/")
        head, rest = parts[: len(self.segments)], parts[len(self.segments) :]
        if tuple(map(composed, head)) != self.segments:
            return None
        if self.url.startswith(FILES):
            return FILES + "/".join((*filter(None, [self.url.removeprefix(FILES)]), *rest))
        return "/".join((self.url, *map(escaped, rest)))

    @property
    def folder(self) -> str:
        """The address of all that is published here."""
        return f"{self.url}/"  # `file:/` is all files


def place(text: str) -> Place:
    """The place that `public/=https://site.example/` names; nothing before `=` is the root.

    `file:` stands for the directory that the server takes `file=` from, or a folder of it. Raises
    Misused.
    """
    at = _EQUALS.search(text) or re.search("=", text)
    if at is None:
        raise Misused(f"--map {text!r} has no `=`: write it as public/=https://site.example/")
    left, url = text[: at.start()], text[at.end() :]
    segments = tuple(it for it in composed(left).split("/") if it not in {"", "."})
    if ".." in segments:
        raise Misused(f"--map {text!r} leads out of the repository")
    if url.lower().startswith(FILES):
        return Place(segments, FILES + url[len(FILES) :].strip("/"))
    return Place(segments, published_at(url, f"--map {text!r}"))


def published_at(url: str, named: str) -> str:
    """An http or https address without its last slash; raises Misused, naming the option."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
        parts = urlsplit("")
    if not valid:
        raise Misused(f"{named} names no address: https://site.example/ is one")
    if parts.query or parts.fragment or "@" in parts.netloc or _BROKEN.search(url):
        raise Misused(f"{named}: the address may have a host, a port and a path, all escaped")
    return url.rstrip("/")


def addresses(path: str, places: Iterable[Place]) -> list[str]:
    """Every address that a path is published at: each place that holds it gives one."""
    found = (it.address(path) for it in places)
    return list(dict.fromkeys(it for it in found if it is not None))
