"""Pictures whose pixels say which version they are, also resized to 64 pixels and more."""

from functools import cache

import pyvips

BITS = 16
_BAR = 12  # pixels of one bit


@cache
def versioned(version: int) -> bytes:
    """A PNG of bars, one for each bit of the version, the highest first."""
    bars = [
        pyvips.Image.black(_BAR, 24) + (255 if version >> (BITS - 1 - bit) & 1 else 0)
        for bit in range(BITS)
    ]
    whole = pyvips.Image.arrayjoin(bars, across=BITS)
    return bytes(whole.cast("uchar").pngsave_buffer(compression=1))


def version_of(picture: bytes) -> int:
    """The version that a picture was made from; raises pyvips.Error when it is none."""
    image = pyvips.Image.new_from_buffer(picture, "")
    middle = image.height // 2
    version = 0
    for bit in range(BITS):
        x = int((bit + 0.5) * image.width / BITS)
        version = version << 1 | (image.getpoint(x, middle)[0] > 127)
    return version
