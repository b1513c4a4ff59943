"""Names of files: bytes to git, text here, percent-encoded in an address.

Text is UTF-8 with surrogateescape, so every name of bytes has exactly one text and back.
"""

import unicodedata
from urllib.parse import quote_from_bytes

# RFC 3986 §3.3: what may stand unescaped in a path segment, without `;` and `=`, which some
# servers treat as parameters. `%`, `?`, `#`, spaces and control characters are escaped.
_PLAIN = "-._~!$&'()*+,:@"


def text_of(name: bytes) -> str:
    """The text of a name; bytes that are no UTF-8 become lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def escaped(path: str) -> str:
    """The path as it stands in an address: its exact bytes, `/` left alone."""
    octets = path.encode("utf-8", "surrogateescape")
    return quote_from_bytes(octets, safe="/" + _PLAIN)


def composed(path: str) -> str:
    """The path in Unicode's composed form (NFC), for comparing what people typed with names."""
    return unicodedata.normalize("NFC", path)


def shown(path: str) -> str:
    """The path for people: one line, nothing that a terminal would act on."""
    return "".join(
        it if it.isprintable() else it.encode("unicode_escape", "surrogatepass").decode()
        for it in path
    )
