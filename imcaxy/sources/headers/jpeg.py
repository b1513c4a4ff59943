"""JPEG: the frame header is one of the segments before the first scan (ITU T.81, annex B)."""

import math
import re
from struct import unpack_from

from imcaxy.sources.headers.extent import Extent, Pieces, broken

MAGIC = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn; not DHT, JPG, DAC
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SOS = 0xDA
_NEAR = 100  # segments after the frame header in which its first scan is looked for
_COEFFICIENT = 2  # bytes
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
            return _frame(body, at, progressive=marker in _PROGRESSIVE)
        if marker in (0xD9, 0xDA):
            raise broken("JPEG", "its pixels come before its size")
        if marker != 0 and marker not in _BARE:
            (length,) = unpack_from(">H", body, at)
            if length < 2:
                raise broken("JPEG", "a segment has no length")
            at += length


def _frame(body: bytes, at: int, *, progressive: bool) -> Extent:
    """Size, and the coefficients that are held where one scan does not tell all of a row."""
    length, height, width = unpack_from(">HxHH", body, at)
    channels = int.from_bytes(body[at + 7 : at + 8]) or 3
    factors = body[at + 9 : at + 8 + 3 * channels : 3] or b"\x11"
    across, down = max(byte >> 4 for byte in factors), max(byte & 15 for byte in factors)
    samples = sum((byte >> 4) * (byte & 15) for byte in factors) / max(across * down, 1)
    whole = progressive or _first_scan(body, at + length) < channels
    held = math.ceil(width * height * samples * _COEFFICIENT) if whole else 0
    return Extent(width, height, pixel=channels, held=held)


def _first_scan(body: bytes, at: int) -> int:
    """Components of the first scan; 0 where it is not found among the next segments."""
    for _ in range(_NEAR):
        at = body.find(b"\xff", at)
        if at < 0 or at + 5 > len(body):
            return 0
        if body[at + 1] == _SOS:
            return body[at + 4]
        bare = body[at + 1] in (0, 0xFF) or body[at + 1] in _BARE
        at += 1 if bare else 2 + int.from_bytes(body[at + 2 : at + 4])
    return 0
