"""GIF: frames are counted by stepping over their data (GIF89a specification, sections 15 to 26)."""

from struct import unpack_from

from imcaxy.sources.headers.extent import MAX_FRAMES_COUNTED, Extent, Pieces, broken

MAGIC = (b"GIF87a", b"GIF89a")
_FREE = 64  # data blocks looked at in one slice cost as much as one that is looked at alone
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def read(body: bytes) -> Extent:
    """Size of the screen, widened to the first frame as decoders do, and the number of frames.

    A file that is cut, or goes on with something else, after its first frame is taken as decoders
    take it: with the frames that were there.
    """
    width, height, flags = unpack_from("<HHB", body, 6)
    at = 13 + _colours(flags)
    pieces, frames = Pieces("GIF"), 0
    while at < len(body) and frames < MAX_FRAMES_COUNTED:
        pieces.count()
        block = body[at]
        if block == _IMAGE:
            left, top, across, down, flags = unpack_from("<HHHHB", body, at + 1)
            if not frames:
                width, height = max(width, left + across), max(height, top + down)
            frames += 1
            at = _skip_data(body, at + 11 + _colours(flags), pieces)
        elif block == _EXTENSION:
            at = _skip_data(body, at + 2, pieces)
        elif block == _TRAILER or frames:
            break
        else:
            raise broken("GIF", "a block of unknown kind")
    if not frames:
        raise broken("GIF", "it has no frame")
    return Extent(width, height, frames)


def _colours(flags: int) -> int:
    """Bytes of the colour table that follows, as its flags say."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_data(body: bytes, at: int, pieces: Pieces) -> int:
    """The offset behind a chain of data blocks.

    Encoders fill every block but the last, so equal lengths are looked at many at a time: one
    slice takes every length byte of a stretch that doubles while the lengths stay equal.
    """
    stretch = 1
    while at < len(body) and (size := body[at]):
        step = size + 1
        lengths = body[at : at + step * stretch : step]
        equal = len(lengths) - len(lengths.lstrip(lengths[:1]))
        pieces.count(1 + equal // _FREE)
        at += step * equal
        stretch = stretch * 2 if equal == stretch else 1
    return at + 1
