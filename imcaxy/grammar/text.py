"""Text that came from bytes: what can be kept of it, and how it is shown in an error.

Bytes that are not UTF-8 live in a `str` as lone surrogates (PEP 383), so nothing is lost between
the request line and the one place that accepts or refuses them.
"""

import re

SHOWN = 200  # characters of a value that an error repeats

# Unicode White_Space, which is what Go's strings.TrimSpace removes; str.strip takes more.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_UNSOUND = re.compile("[\x00\ud800-\udfff]")


def is_sound(text: str) -> bool:
    """Whether every later stage can hold the text: it is UTF-8, without NUL.

    Databases refuse the first and C libraries end a string at the second.
    """
    return _UNSOUND.search(text) is None


def legible(text: str) -> str:
    """The text as an error may repeat it: encodable as UTF-8, at most `SHOWN` characters."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return _UNSOUND.sub("\ufffd", shown)
