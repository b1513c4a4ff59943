"""Which files count: patterns to take and patterns to leave out."""

import re
from collections.abc import Iterable
from functools import lru_cache

from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.paths import composed

IMAGES = (
    "*.{apng,avif,bmp,gif,heic,heif,ico,j2k,jfif,jp2,jpe,jpeg,jpg,jxl,pdf,png,svg,svgz,tif,tiff,webp}",
)

_BRACES = re.compile(r"\{([^{}]*)\}")


class Selection:
    """The files that are taken: those that one of `include` matches and none of `exclude`.

    `*` and `?` stop at `/`, `**` does not; `[abc]` and `{a,b}` are choices. A pattern without `/`
    matches the file's name in any folder, one with `/` the whole path from the repository's root.
    Letters match in either case in `include` and exactly in `exclude`: a picture too many is
    made again, a picture too few stays old. Raises Misused for a pattern that cannot be read.
    """

    def __init__(self, include: Iterable[str] = IMAGES, exclude: Iterable[str] = ()) -> None:
        self._include = [_compiled(it, re.IGNORECASE) for it in include]
        self._exclude = [_compiled(it, re.NOFLAG) for it in exclude]

    def takes(self, path: str) -> bool:
        """Whether this path counts."""
        name = composed(path)
        return any(it.fullmatch(name) for it in self._include) and not any(
            it.fullmatch(name) for it in self._exclude
        )


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    text = composed(pattern.removeprefix("./"))
    if not text:
        raise Misused("a pattern is empty")
    if text.endswith("/"):
        text += "**"
    prefix = "" if "/" in text else "(?:.*/)?"
    try:
        choices = "|".join(_translated(it.removeprefix("/")) for it in _spread(text))
        return re.compile(f"{prefix}(?:{choices})", flags | re.DOTALL)
    except re.error as error:
        raise Misused(f"the pattern {pattern!r} cannot be read: {error}") from None


def _spread(pattern: str) -> list[str]:
    """The patterns that `{a,b}` stands for."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [each for it in match[1].split(",") for each in _spread(before + it + after)]


def _translated(pattern: str) -> str:
    out = []
    at = 0
    while at < len(pattern):
        match = _TOKEN.match(pattern, at)
        assert match is not None, pattern  # noqa: S101 - the last alternative takes any character
        at = match.end()
        out.append(_meaning(match[0]))
    return "".join(out)


_TOKEN = re.compile(r"(?<![^/])\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]/]*\]|.", re.DOTALL)


def _meaning(token: str) -> str:
    fixed = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in fixed:
        return fixed[token]
    if len(token) > 2 and token.startswith("["):
        inner = token[1:-1]
        negated = inner[:1] in ("!", "^")
        inner = inner[negated:].replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
        return f"[{'^/' if negated else ''}{inner}]"
    return re.escape(token)
