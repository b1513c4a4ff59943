"""Pictures that are meant to hurt."""

import functools
import struct
import zlib

import pyvips

_ROWS = 500  # rows compressed at a time


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


@functools.cache
def bomb(side: int = 20_000) -> bytes:
    """A whole black PNG of that many pixels square, in a thousandth as many bytes."""
    deflate = zlib.compressobj(6)
    rows = b"\0" * ((side + 1) * _ROWS)
    data = b"".join(deflate.compress(rows) for _ in range(side // _ROWS)) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


@functools.cache
def noise(width: int = 4000, height: int = 3000) -> bytes:
    """A JPEG that takes many seconds to become an AVIF."""
    image = pyvips.Image.gaussnoise(width, height, mean=128, sigma=60, seed=1)
    body: bytes = image.cast("uchar").jpegsave_buffer(Q=80)
    return body
