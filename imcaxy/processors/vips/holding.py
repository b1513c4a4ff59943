"""A source that several pictures are made from, one after another, in the child."""

from collections.abc import Callable
from typing import TypeVar

import pyvips

from imcaxy.errors import SourceError
from imcaxy.processors.vips import decoding
from imcaxy.processors.vips.frames import MAX_PIXELS_BYTES

_Result = TypeVar("_Result")


class HeldSource:
    """A source, and its pixels in memory once a picture has needed them.

    Pixels that cannot be held are read by each picture for itself: those of several frames, more
    than MAX_PIXELS_BYTES, and damaged ones, as a picture of the upper part may need no damaged row.
    """

    def __init__(self, source: decoding.Encoded) -> None:
        self.source = source
        self._shrink = 0  # of the last attempt to decode
        self._pixels: pyvips.Image | None = None  # None where that failed

    def from_pixels(
        self, shrink: int, use: Callable[[pyvips.Image], _Result], *, animated: bool = False
    ) -> _Result:
        """The same as `decoding.from_pixels`, whatever was made before."""
        pixels = None if animated else self._decoded(shrink)
        if pixels is not None:
            return use(pixels)
        return decoding.from_pixels(self.source, shrink, use, animated=animated)

    def _decoded(self, shrink: int) -> pyvips.Image | None:
        if self._shrink != shrink:
            self._shrink, self._pixels = shrink, None
            try:
                self._pixels = decoding.from_pixels(self.source, shrink, _in_memory)
            except (pyvips.Error, SourceError, MemoryError):
                return None  # whoever needs what is missing will find out
        return self._pixels


def _in_memory(image: pyvips.Image) -> pyvips.Image | None:
    size = image.width * image.height * image.bands * (1 if image.format == "uchar" else 2)
    return image.copy_memory() if size <= MAX_PIXELS_BYTES else None
