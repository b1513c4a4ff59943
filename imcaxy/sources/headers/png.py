"""PNG: the first chunk tells the size (RFC 2083 section 4.1.1).

An animated PNG counts as its default image, which is what decoders without animation show.
"""

import zlib
from struct import unpack_from

from imcaxy.sources.headers.extent import Extent, broken

MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 2, 2: 4, 4: 2, 6: 4}  # by colour type, with the alpha that a later chunk may add


def read(body: bytes) -> Extent:
    """Size of the IHDR chunk, whose checksum must be right."""
    length, kind, width, height, depth, colour = unpack_from(">I4sIIBB", body, 8)
    interlaced = body[28]
    (checksum,) = unpack_from(">I", body, 29)
    if length != 13 or kind != b"IHDR":
        raise broken("PNG", "it does not begin with IHDR")
    if zlib.crc32(body[12:29]) != checksum:
        raise broken("PNG", "a checksum is wrong")
    pixel = _CHANNELS.get(colour, 4) * (2 if depth == 16 else 1)
    return Extent(width, height, pixel=pixel, held=width * height * pixel if interlaced else 0)
