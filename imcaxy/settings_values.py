"""What a setting can be beside a number or a text, and how one is declared."""

from dataclasses import dataclass, field
from typing import TypeVar

MIB = 1024 * 1024

T = TypeVar("T")


class Size(int):
    """Bytes; written with a unit."""


@dataclass(frozen=True)
class Secret:
    """A text that is not shown by accident."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text."""
        return self._text


def setting(default: T, description: str, **bounds: float) -> T:
    """A field of the settings' dataclass; its bounds are `ge`, `gt`, `le` and `max_length`."""
    return field(default=default, metadata={"description": description, "bounds": bounds})


def size(default: int, description: str) -> Size:
    """A field that is a number of bytes, 1 MiB or more."""
    return setting(Size(default), description, ge=MIB)


def seconds(default: float, description: str) -> float:
    """A field that is a duration: more than nothing, an hour at most."""
    return setting(default, description, gt=0, le=3600)
