"""JPEG: the frame header is one of the segments before the first scan (ITU T.81, annex B)."""

import re
from struct import unpack_from

from imcaxy.sources.headers.extent import Extent, Pieces, broken

MAGIC = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn; not DHT, JPG, DAC
MAX_SEGMENTS = 2000  # a large profile or preview takes a few hundred
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn, SOI: no length follows
_FILL = re.compile(rb"\xff{1,1024}")


def read(body: bytes) -> Extent:
    """Size of the frame header."""
    pieces, at = Pieces("JPEG", MAX_SEGMENTS), 2
    while True:
        pieces.count()
        at = body.find(b"\xff", at)  # decoders skip what lies between segments
        if at < 0:
            raise broken("JPEG", "it ends before its size")
        if (fill := _FILL.match(body, at)) is not None:
            at = fill.end()
        marker = body[at]
        if marker == 0xFF:
            continue
        at += 1
        if marker in _FRAMES:
            height, width = unpack_from(">HH", body, at + 3)
            return Extent(width, height)
        if marker in (0xD9, 0xDA):
            raise broken("JPEG", "its pixels come before its size")
        if marker != 0 and marker not in _BARE:
            (length,) = unpack_from(">H", body, at)
            if length < 2:
                raise broken("JPEG", "a segment has no length")
            at += length
