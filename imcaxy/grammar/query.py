"""Query strings, read as Go's net/url does: the rules that Imaginary's clients rely on."""

import re

from imcaxy.errors import MalformedParameter

_PERCENT = re.compile(rb"%(?:([0-9A-Fa-f]{2})|)")


def parse_query(raw: str) -> dict[str, str]:
    """The first value of every name in an undecoded query string (without `?`); see parse_pairs."""
    found: dict[str, str] = {}
    for name, value in parse_pairs(raw):
        found.setdefault(name, value)
    return found


def parse_pairs(raw: str) -> list[tuple[str, str]]:
    """Every name and value of an undecoded query string (without `?`), in their order.

    Pairs are split at `&` only. A pair that holds `;` or an invalid percent escape counts as
    absent, so a later pair of that name is the first. `+` is a space. Blank values are kept and
    names are case-sensitive. Bytes that are not UTF-8 become lone surrogates (PEP 383).

    Raises MalformedParameter when `raw` holds surrogates that no byte stands behind.
    """
    try:
        octets = raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise MalformedParameter(
            "The query string holds characters that have no bytes.", accepted="UTF-8"
        ) from None
    found: list[tuple[str, str]] = []
    for pair in octets.split(b"&"):
        if not pair or b";" in pair:
            continue
        name, _, value = pair.partition(b"=")
        key, text = _unescape(name), _unescape(value)
        if key is not None and text is not None:
            found.append((key, text))
    return found


def _unescape(part: bytes) -> str | None:
    """The decoded text, or None when an escape is invalid."""
    plain = part.replace(b"+", b" ")
    if b"%" in plain:
        if any(match[1] is None for match in _PERCENT.finditer(plain)):
            return None
        plain = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), plain)
    return plain.decode("utf-8", "surrogateescape")
