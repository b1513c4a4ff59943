"""WebP: a RIFF container of one lossy, lossless or extended picture (RFC 9649)."""

from struct import unpack_from

from imcaxy.sources.headers.extent import MAX_FRAMES_COUNTED, Extent, Pieces, broken

_ANIMATED, _ALPHA = 0x02, 0x10  # flags of VP8X: RFC 9649 section 2.7
_NEAR = 4 * 1024 * 1024  # bytes in which an extended picture's own chunk is looked for


def is_webp(body: bytes) -> bool:
    """Whether the body is a RIFF file of type WEBP."""
    return body.startswith(b"RIFF") and body[8:12] == b"WEBP"


def read(body: bytes) -> Extent:
    """Size of the picture, or of the canvas that all frames are drawn on."""
    kind = body[12:16]
    if kind == b"VP8 ":
        return _lossy(body)
    if kind == b"VP8L":
        return _lossless(body)
    if kind == b"VP8X":
        return _extended(body)
    raise broken("WebP", "its first chunk is not a picture")


def _lossy(body: bytes) -> Extent:
    start, width, height = unpack_from("<3sHH", body, 23)
    if start != b"\x9d\x01\x2a":  # RFC 6386 section 9.1
        raise broken("WebP", "the picture has no start code")
    return Extent(width & 0x3FFF, height & 0x3FFF)


def _lossless(body: bytes) -> Extent:
    signature, bits = unpack_from("<BI", body, 20)
    if signature != 0x2F:
        raise broken("WebP", "the lossless picture has no signature")
    width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return Extent(width, height, held=4 * width * height)


def _extended(body: bytes) -> Extent:
    flags, low_width, high_width, low_height, high_height = unpack_from("<B3xHBHB", body, 20)
    width, height = (low_width | high_width << 16) + 1, (low_height | high_height << 16) + 1
    lossless = body.find(b"VP8L", 30, 30 + _NEAR) > 0
    held = width * height * (4 if lossless else 1 if flags & _ALPHA else 0)
    return Extent(width, height, _frames(body) if flags & _ANIMATED else 1, held=held)


def _frames(body: bytes) -> int:
    pieces, frames, at = Pieces("WebP"), 0, 12
    while at + 8 <= len(body) and frames < MAX_FRAMES_COUNTED:
        pieces.count()
        kind, length = unpack_from("<4sI", body, at)
        at += 8 + length + (length & 1)  # chunks are padded to an even length
        if at - (length & 1) > len(body):
            raise broken("WebP", "a chunk goes past the end")
        frames += kind == b"ANMF"
    if not frames:
        raise broken("WebP", "the animation has no frame")
    return frames
