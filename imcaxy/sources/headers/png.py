"""PNG: the first chunk tells the size (RFC 2083 section 4.1.1).

An animated PNG counts as its default image, which is what decoders without animation show.
"""

import zlib
from struct import unpack_from

from imcaxy.sources.headers.extent import Extent, broken

MAGIC = b"\x89PNG\r\n\x1a\n"


def read(body: bytes) -> Extent:
    """Size of the IHDR chunk, whose checksum must be right."""
    length, kind, width, height = unpack_from(">I4sII", body, 8)
    (checksum,) = unpack_from(">I", body, 29)
    if length != 13 or kind != b"IHDR":
        raise broken("PNG", "it does not begin with IHDR")
    if zlib.crc32(body[12:29]) != checksum:
        raise broken("PNG", "a checksum is wrong")
    return Extent(width, height)
