"""Boxes of HEIF and AVIF."""

from struct import pack

import pytest

from imcaxy.errors import SourceTooLarge, Undecodable
from imcaxy.sources.headers import heif
from imcaxy.sources.headers.extent import Extent


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return pack(">I4s", 8 + len(body), kind) + body


def ispe(width: int, height: int) -> bytes:
    return box(b"ispe", pack(">III", 0, width, height))


def meta(*properties: bytes) -> bytes:
    return box(b"meta", pack(">I", 0), box(b"iprp", box(b"ipco", *properties)))


def track(samples: int, width: int, height: int) -> bytes:
    entry = box(b"av01", bytes(24) + pack(">HH", width, height) + bytes(50))
    sizes = box(b"stsz", pack(">III", 0, 0, samples))
    described = box(b"stsd", pack(">II", 0, 1), entry)
    return box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", described, sizes))))


@pytest.mark.parametrize(
    ("major", "others", "expected"),
    [
        (b"avif", (b"mif1",), "avif"),
        (b"avis", (b"msf1", b"avif"), "avif"),
        (b"mif1", (b"miaf", b"avif"), "avif"),
        (b"heic", (b"mif1",), "heif"),
        (b"mif1", (), "heif"),
        (b"isom", (b"mp42",), None),
        (b"qt  ", (), None),
    ],
)
def test_format_of_brands_decides(
    major: bytes, others: tuple[bytes, ...], expected: str | None
) -> None:
    body = box(b"ftyp", major, bytes(4), *others) + b"avifheic"
    assert heif.format_of(body) == expected


def test_read_several_items_the_largest_counts() -> None:
    body = box(b"ftyp", b"avif", bytes(4)) + meta(ispe(160, 120), ispe(4000, 3000), ispe(512, 512))
    assert heif.read(body) == Extent(4000, 3000, 1)


def test_read_sequence_counts_its_samples() -> None:
    movie = box(b"moov", box(b"mvhd", bytes(100)), track(7, 64, 48), track(7, 64, 48))
    assert heif.read(box(b"ftyp", b"avis", bytes(4)) + movie) == Extent(64, 48, 7)
    assert heif.read(meta(ispe(64, 50)) + movie) == Extent(64, 50, 7)


def test_read_box_with_a_long_length_and_one_to_the_end_are_read() -> None:
    inner = pack(">I", 0) + box(b"iprp", box(b"ipco", ispe(5, 6)))
    long = pack(">I4sQ", 1, b"meta", 16 + len(inner)) + inner
    assert heif.read(long) == Extent(5, 6, 1)
    assert heif.read(pack(">I4s", 0, b"meta") + inner) == Extent(5, 6, 1)


@pytest.mark.parametrize(
    "body",
    [
        box(b"ftyp", b"avif", bytes(4)),
        meta(),
        pack(">I4s", 7, b"meta"),
        pack(">I4s", 1000, b"meta") + bytes(100),
        pack(">I4sQ", 1, b"meta", 2**63) + bytes(100),
    ],
)
def test_read_damaged_boxes_are_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        heif.read(body)


def test_read_absurdly_many_boxes_is_too_large() -> None:
    with pytest.raises(SourceTooLarge):
        heif.read(box(b"free") * 50_000)
