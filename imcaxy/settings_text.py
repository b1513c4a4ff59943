"""How settings are written: their variables, values and mistakes, as an operator reads them."""

import os
import re
from typing import Any

from imcaxy.settings_values import MIB, Secret, Size

PREFIX = "IMCAXY_"
CI_TOOL = f"{PREFIX}INVALIDATOR_"  # of invalidator/, which may share an environment
_SIZE = "must be a size such as 64MiB, 10GiB or 500MB, or a number of bytes"
_MISTAKES = {  # by pydantic's name
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "byte_size": _SIZE,
    "byte_size_unit": _SIZE,
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
}
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)([^/?#@]*@)?([^?#@]*)(\?[^@]*)?")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def written(value: object) -> str:
    """A value in the form that its variable accepts; nothing for a setting that is not set.

    Of a secret only what may be seen.
    """
    if isinstance(value, Secret):
        return _masked(value.reveal())
    return _open(value)


def _open(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Size():
            return f"{value // MIB}MiB" if value % MIB == 0 else str(int(value))
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _masked(secret: str) -> str:
    """A secret as it may be seen; of an address the host and the path."""
    if not secret:
        return ""
    match = _ADDRESS.fullmatch(secret)
    if match is None:  # an @ further on: what stands before it may be part of a password
        return "***"
    scheme, user, place, options = match.groups()
    return f"{scheme}{'***@' if user else ''}{place}{'?***' if options else ''}"


def environment(**flags: object) -> dict[str, str]:
    """The environment in which another process of this program finds the same settings."""
    given = {variable(name): written(value) for name, value in flags.items() if value is not None}
    return dict(os.environ) | given


def problem(kind: str, message: str, bounds: dict[str, Any]) -> str:
    """What is wrong with a value, in the words of this program instead of the library's."""
    if kind in _MISTAKES:
        told = {name: _bound(value) for name, value in bounds.items()}
        return _MISTAKES[kind].format(**told)
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _bound(value: object) -> object:
    if value == MIB:
        return "1MiB"
    return int(value) if isinstance(value, float) else value
