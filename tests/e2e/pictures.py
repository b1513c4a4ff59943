"""PNG files of an exact size in bytes, made without any imaging library."""

import random
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int = 8, height: int = 8) -> bytes:
    """A grey picture that every decoder reads."""
    rows = (b"\0" + b"\x80" * width) * height
    return (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )


def png_of(size: int, seed: int = 0) -> bytes:
    """A readable picture of exactly `size` bytes; two seeds give two different files."""
    plain = png()
    room = size - len(plain) - 12
    if room < 0:
        message = f"{size} bytes are too few for a picture"
        raise ValueError(message)
    filler = _chunk(b"ruSt", random.Random(seed).randbytes(room))
    head = len(_SIGNATURE) + 25  # the signature and IHDR
    return plain[:head] + filler + plain[head:]
