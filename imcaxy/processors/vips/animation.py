"""Animations, in the child: one picture per frame, worked on alone and put together again."""

from collections.abc import Callable, Sequence

import pyvips

FORMATS = frozenset({"gif", "webp"})  # that are written with all their frames

_TIMING = ("delay", "loop")  # milliseconds of each frame, and how often all are shown


def each_frame(
    image: pyvips.Image, use: Callable[[pyvips.Image], pyvips.Image]
) -> list[pyvips.Image]:
    """What `use` makes of every frame, in their order.

    The frames stand under each other in what decoders give. Each is finished before the next is
    read, so only one is held at its full size.
    """
    height = image.get_page_height()
    if height == image.height:
        return [use(image)]
    tops = range(0, image.height, height)
    return [use(image.crop(0, top, image.width, height)).copy_memory() for top in tops]


def joined(frames: Sequence[pyvips.Image], source: pyvips.Image) -> pyvips.Image:
    """The frames as encoders take them, with the timing of the animation that they came from."""
    if len(frames) == 1:
        return frames[0]
    film = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    film.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    for name in _TIMING:
        if kind := source.get_typeof(name):
            film.set_type(kind, name, source.get(name))
    return film
