"""One request for a picture, in its canonical form."""

from collections.abc import Mapping
from dataclasses import dataclass

from imcaxy.grammar.source import Source

Value = int | float | bool | str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What picture is wanted: equal requests mean the same picture.

    `parameters` are parsed, sorted by name, without those that the operation ignores and without
    values equal to the default. `type` is a concrete format, absent when the source's own type is
    meant, or "auto" before negotiation.
    """

    operation: str
    parameters: tuple[tuple[str, Value], ...]
    source: Source
    overlays: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source that the picture is made from, the original first."""
        return (self.source, *self.overlays)

    @property
    def options(self) -> Mapping[str, Value]:
        """The parameters by name."""
        return dict(self.parameters)
