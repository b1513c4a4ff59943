"""TIFF: directories of tags, chained by their offsets (TIFF 6.0 section 2; BigTIFF)."""

from struct import calcsize, unpack_from

from imcaxy.sources.headers.extent import MAX_FRAMES_COUNTED, Extent, broken

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT = 256, 257
_SHORT, _LONG, _LONG8 = 3, 4, 16
MAX_TAGS = 1000  # tags of one directory that are looked at; they are sorted, and size comes first


def read(body: bytes) -> Extent:
    """Size of the first page, and the number of pages."""
    order = "<" if body[:2] == b"II" else ">"
    big = 43 in body[2:4]
    if big and unpack_from(order + "HH", body, 4) != (8, 0):
        raise broken("TIFF", "its offsets have an unknown size")
    offset, count = (order + "Q", order + "Q") if big else (order + "I", order + "H")
    (at,) = unpack_from(offset, body, 8 if big else 4)
    extent, seen = _size(body, at, order, count), set[int]()
    while at and at not in seen and len(seen) < MAX_FRAMES_COUNTED:
        seen.add(at)
        (tags,) = unpack_from(count, body, at)
        (at,) = unpack_from(offset, body, at + calcsize(count) + tags * (20 if big else 12))
    return extent._replace(frames=len(seen))


def _size(body: bytes, at: int, order: str, count: str) -> Extent:
    (tags,) = unpack_from(count, body, at)
    entry = order + ("HHQ" if count[1] == "Q" else "HHI")
    head = calcsize(entry)
    value_size = 8 if count[1] == "Q" else 4
    found: dict[int, int] = {}
    for index in range(min(tags, MAX_TAGS)):
        here = at + calcsize(count) + index * (head + value_size)
        tag, kind, _ = unpack_from(entry, body, here)
        if tag in (_WIDTH, _HEIGHT):
            found[tag] = _number(body, here + head, order, kind)
    if len(found) < 2:
        raise broken("TIFF", "its first page has no size")
    return Extent(found[_WIDTH], found[_HEIGHT])


def _number(body: bytes, at: int, order: str, kind: int) -> int:
    codes = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
    if kind not in codes:
        raise broken("TIFF", "its size is no whole number")
    (number,) = unpack_from(order + codes[kind], body, at)
    return int(number)
