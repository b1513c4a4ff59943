"""What a caller wants invalidated, read from a query or a JSON body. Pure."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from imcaxy.errors import InvalidationMalformed, SourceError
from imcaxy.grammar.purge_keys import FILES, everything_key, file_key, folder_key, host_key
from imcaxy.grammar.source import Source, parse_source_file, parse_source_url, split_source_url

MOST = 5_000  # URLs, folders and hosts in one call
LONGEST = 200  # characters of a project's name, a commit, or a request id

_LISTS = ("urls", "folders", "hosts")
_FLAGS = ("all", "dryRun")
_TEXTS = ("projectName", "latestCommitHash", "commitHash", "request")
_NAMES = (*_TEXTS, *_LISTS, *_FLAGS)
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
_NO_UTF8 = re.compile(r"[\udc80-\udcff]")  # a byte, as "surrogateescape" has it
_NEXT = re.compile(r",(?=https?://|file:)", re.IGNORECASE)  # a URL may hold a comma itself
_TRUE, _FALSE = frozenset({"true", "1", "yes", ""}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: what it names, for which project, and the id by which it may be repeated."""

    request: str
    project: str = ""
    commit: str = ""
    urls: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    everything: bool = False
    dry_run: bool = False

    def keys(self) -> dict[str, str]:
        """The purge key of each target, by the target as the caller wrote it.

        Raises InvalidationMalformed that names every target which cannot be a source.
        """
        found: dict[str, str] = {}
        wrong: list[str] = []
        for texts, key_of in (
            (self.urls, _file_key),
            (self.folders, _folder_key),
            (self.hosts, _host_key),
        ):
            for text in texts:
                try:
                    found[text] = key_of(text)
                except SourceError as error:
                    wrong.append(f"{text}: {error.detail}")
        if wrong:
            raise InvalidationMalformed(
                "The call names sources that cannot be; nothing was invalidated.",
                value="; ".join(wrong[:10]) + ("; …" if len(wrong) > 10 else ""),
                accepted="https://host/path, percent-encoded, or file:path",
            )
        if self.everything:
            found["*"] = everything_key()
        return found


def from_query(query: str) -> Asked:
    """The call that a query describes; `urls` may be repeated or divided by commas.

    A plus sign in a URL is a plus sign: it is never a space there. Raises InvalidationMalformed.
    """
    return from_members(read_query(query))


def read_query(query: str) -> dict[str, Any]:
    """The query's parameters by name, lists as lists; raises InvalidationMalformed."""
    members: dict[str, Any] = {}
    for part in query.split("&"):
        if not part:
            continue
        name, _, raw = part.partition("=")
        name = unquote(name)
        if name in _LISTS:
            text = unquote(raw, errors="surrogateescape")
            items = _NEXT.split(text) if name != "hosts" else text.split(",")
            members.setdefault(name, []).extend(item for item in items if item)
        elif name in members:
            raise InvalidationMalformed(
                f"The parameter {name} stands there twice.", value=name, accepted="once"
            )
        else:
            members[name] = unquote(raw.replace("+", " "))
    return members


def from_json(body: bytes) -> Asked:
    """The call that a JSON body describes; raises InvalidationMalformed."""
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidationMalformed(
            "The body is not JSON.", value=str(error), accepted="a JSON object"
        ) from None
    if not isinstance(members, dict):
        raise InvalidationMalformed(
            "The body is not a JSON object.", value=type(members).__name__, accepted="an object"
        )
    return from_members(members)


def from_members(members: Mapping[str, object]) -> Asked:
    """The call of these members, by their names in JSON; raises InvalidationMalformed."""
    for name in members:
        if name not in _NAMES:
            raise InvalidationMalformed(
                f"There is no field {name!r}.", value=name, accepted=", ".join(_NAMES)
            )
    urls, folders, hosts = (_list(members, name) for name in _LISTS)
    if len(urls) + len(folders) + len(hosts) > MOST:
        raise InvalidationMalformed(
            "The call names too much at once.",
            value=str(len(urls) + len(folders) + len(hosts)),
            accepted=f"at most {MOST} URLs, folders and hosts a call",
        )
    asked = Asked(
        request=_text(members, "request") or uuid.uuid4().hex,
        project=_text(members, "projectName"),
        commit=_text(members, "latestCommitHash") or _text(members, "commitHash"),
        urls=urls,
        folders=folders,
        hosts=hosts,
        everything=_flag(members, "all"),
        dry_run=_flag(members, "dryRun"),
    )
    if asked.commit and not asked.project:
        raise InvalidationMalformed(
            "A commit belongs to a project.", value=asked.commit, accepted="projectName with it"
        )
    if not (urls or folders or hosts or asked.everything or asked.commit):
        raise InvalidationMalformed(
            "The call names nothing to invalidate.",
            accepted="urls, folders, hosts, all, or projectName with latestCommitHash",
        )
    return asked


def _list(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = members.get(name)
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise InvalidationMalformed(
            f"The field {name} is no list of texts.", value=_shown(value), accepted="a list"
        )
    return tuple(dict.fromkeys(_NO_UTF8.sub(_percent, item) for item in items))


def _percent(byte: re.Match[str]) -> str:
    """The byte percent-encoded: the same source, in letters that can be recorded and answered."""
    return f"%{ord(byte[0]) - 0xDC00:02X}"


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or not _PLAIN.fullmatch(value):
        raise InvalidationMalformed(
            f"The field {name} is no plain text.",
            value=_shown(value),
            accepted=f"at most {LONGEST} characters without control characters",
        )
    return value.strip()


def _flag(members: Mapping[str, object], name: str) -> bool:
    value = members.get(name, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise InvalidationMalformed(
        f"The field {name} is neither true nor false.",
        value=_shown(value),
        accepted="true or false",
    )


def _source(text: str) -> Source:
    if text.lower().startswith(FILES):
        return parse_source_file(text[len(FILES) :])
    return parse_source_url(text)


def _file_key(text: str) -> str:
    return file_key(_source(text))


def _folder_key(text: str) -> str:
    return folder_key(_source(text))


def _host_key(text: str) -> str:
    return host_key(split_source_url(text).host if "://" in text else text)


def _shown(value: object) -> str:
    return str(value)[:LONGEST]


def targets(asked: Asked) -> Sequence[str]:
    """Everything that the call names, as it is recorded."""
    every = ("*",) if asked.everything else ()
    return (*asked.urls, *asked.folders, *asked.hosts, *every)
