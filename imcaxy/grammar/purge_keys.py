"""What an invalidation can hit: a source's file, the folders above it, its host, everything.

The cache key is exact; these are generous. Scheme, port, query and fragment do not count, nor do
empty segments or how a path is escaped: two spellings that could be one file share a key, so a
purge may take too much but never too little.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from imcaxy.grammar.host import canonical_host
from imcaxy.grammar.source import Source, split_source_url

FILES = "file:"  # stands where a host would for files of the source directory; no host has a colon
BODIES = "body:"  # the same for what clients send along
DEEPEST = 32  # folders above one file that have a key; a deeper folder shares that of its ancestor

_EVERYTHING = "*"


def purge_keys(sources: Iterable[Source]) -> tuple[str, ...]:
    """Every key that hits one of the sources, each once, the widest first."""
    keys = (key for source in sources for key in _keys_of(source))
    return tuple(dict.fromkeys((_EVERYTHING, *keys)))


def named_keys(sources: Iterable[Source]) -> dict[str, str]:
    """The same keys, each with what it stands for in words an operator knows."""
    names = {_EVERYTHING: "everything"}
    for source in sources:
        host, segments, folder = _place(source)
        here = host if host == FILES else f"{host}/"
        names[_host_key(host)] = "the source directory" if host == FILES else f"host {host}"
        depth = len(segments) if folder else len(segments) - 1
        for length in range(1, min(depth, DEEPEST) + 1):
            name = f"folder {here}{'/'.join(segments[:length])}/"
            names[_path_key("folder", host, segments[:length])] = name
        names[_path_key("file", host, segments)] = f"file {here}{'/'.join(segments)}"
    return names


def file_key(source: Source) -> str:
    """The key that hits this source, whatever its query."""
    host, segments, _ = _place(source)
    return _path_key("file", host, segments)


def folder_key(source: Source) -> str:
    """The key that hits everything below the folder that the source's path names.

    The root's is the host's key. More than `DEEPEST` levels down it is the key of the folder that
    many levels down.
    """
    host, segments, _ = _place(source)
    if not segments:
        return _host_key(host)
    return _path_key("folder", host, segments[:DEEPEST])


def host_key(host: str) -> str:
    """The key that hits every source of this host, or of the source directory for `FILES`.

    Raises SourceMalformed.
    """
    return _host_key(host if host == FILES else canonical_host(host))


def everything_key() -> str:
    """The key that hits every source."""
    return _EVERYTHING


@lru_cache(maxsize=64)  # a job asks twice, for its stream and for its download
def _keys_of(source: Source) -> tuple[str, ...]:
    host, segments, folder = _place(source)
    depth = len(segments) if folder else len(segments) - 1
    lengths = range(1, min(depth, DEEPEST) + 1)
    folders = (_path_key("folder", host, segments[:length]) for length in lengths)
    return _host_key(host), *folders, _path_key("file", host, segments)


def _place(source: Source) -> tuple[str, tuple[str, ...], bool]:
    """Host, path segments, and whether the path is a folder's: it ends in `/` or a dot segment."""
    if source.kind == "file":
        return FILES, _segments(source.value), False
    if source.kind == "body":  # nothing is kept of it; only what hits everything hits it
        return BODIES, (), False
    parts = split_source_url(source.value)
    # Broken escapes cannot be in a canonical URL, so this decodes once and entirely.
    path = unquote_to_bytes(parts.path).decode("utf-8", "surrogateescape")
    return parts.host, _segments(path), path.rpartition("/")[2] in {"", ".", ".."}


def _segments(path: str) -> tuple[str, ...]:
    segments: list[str] = []
    for segment in unicodedata.normalize("NFC", path).split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return tuple(segments)


def _host_key(host: str) -> str:
    return _digest(f"host\n{host}")


def _path_key(kind: str, host: str, segments: tuple[str, ...]) -> str:
    # Neither kind nor host can hold a newline, and no segment a slash.
    return _digest(f"{kind}\n{host}\n{'/'.join(segments)}")


def _digest(text: str) -> str:
    # 128 bits: keys are many, and two that collide purge too much, which does no harm.
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
