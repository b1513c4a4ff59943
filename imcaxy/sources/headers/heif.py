"""HEIF and AVIF: nested boxes that describe every item (ISO/IEC 14496-12 and 23008-12).

The size is that of the largest item or track: thumbnails and tiles are never larger than the
picture they belong to, and whatever a decoder picks, it is no larger.
"""

from collections.abc import Iterator
from struct import unpack_from

from imcaxy.sources.headers.extent import Extent, Pieces, broken

_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_TO_SIZES = (b"iprp", b"ipco")  # below meta
_TO_SAMPLES = (b"mdia", b"minf", b"stbl")  # below trak

Box = tuple[bytes, int, int]  # kind, where its content begins and ends


def format_of(body: bytes) -> str | None:
    """The format by the brands of the file type box; None for others (a video, say)."""
    if body[4:8] != b"ftyp":
        return None
    end = min(max(int.from_bytes(body[:4]), 16), 1024, len(body))
    brands = {body[8:12], *(body[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF:
        return "avif"
    return "heif" if brands & _HEIF else None


def read(body: bytes) -> Extent:
    """Size of the largest item; frames of the longest sequence."""
    pieces = Pieces("HEIF")
    sizes: list[tuple[int, int]] = []
    frames = 1
    for kind, start, end in _boxes(body, 0, len(body), pieces):
        if kind == b"meta":
            sizes += _item_sizes(body, start + 4, end, pieces)  # 4: version and flags
        elif kind == b"moov":
            for track, first, last in _boxes(body, start, end, pieces):
                if track == b"trak":
                    frames = max(frames, _samples(body, first, last, pieces, sizes))
    if not sizes:
        raise broken("HEIF", "no item has a size")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Extent(width, height, frames)


def _boxes(body: bytes, at: int, end: int, pieces: Pieces) -> Iterator[Box]:
    while at + 8 <= end:
        pieces.count()
        length, kind = unpack_from(">I4s", body, at)
        head = 8
        if length == 1:
            (length,) = unpack_from(">Q", body, at + 8)
            head = 16
        elif length == 0:
            length = end - at  # to the end of what it lies in
        if length < head or at + length > end:
            raise broken("HEIF", "a box goes past the end")
        yield kind, at + head, at + length
        at += length


def _below(body: bytes, box: tuple[int, int], path: tuple[bytes, ...], pieces: Pieces) -> list[Box]:
    """Every box whose parents are `path`."""
    found: list[Box] = [(b"", *box)]
    for name in (*path, b""):
        found = [
            inner
            for _, start, end in found
            for inner in _boxes(body, start, end, pieces)
            if not name or inner[0] == name
        ]
    return found


def _item_sizes(body: bytes, start: int, end: int, pieces: Pieces) -> list[tuple[int, int]]:
    return [
        unpack_from(">II", body, at + 4)
        for kind, at, _ in _below(body, (start, end), _TO_SIZES, pieces)
        if kind == b"ispe"
    ]


def _samples(
    body: bytes, start: int, end: int, pieces: Pieces, sizes: list[tuple[int, int]]
) -> int:
    """Frames of one track; the size of a visual one is added to `sizes`."""
    frames = 0
    for kind, at, last in _below(body, (start, end), _TO_SAMPLES, pieces):
        if kind == b"stsz":
            (frames,) = unpack_from(">I", body, at + 8)
        elif kind == b"stsd" and last - at >= 8 + 36:
            sizes.append(unpack_from(">HH", body, at + 8 + 32))
    return frames
