"""TIFF directories."""

from struct import pack

import pytest

from imcaxy.errors import Undecodable
from imcaxy.sources.headers import tiff
from imcaxy.sources.headers.extent import MAX_FRAMES_COUNTED, Extent


def directory(order: str, following: int, *tags: tuple[int, int, int]) -> bytes:
    entries = b"".join(
        pack(order + "HHI", tag, kind, 1) + pack(order + {3: "HH", 4: "I"}[kind], *values)
        for tag, kind, *values in [
            (tag, kind, value, 0) if kind == 3 else (tag, kind, value) for tag, kind, value in tags
        ]
    )
    return pack(order + "H", len(tags)) + entries + pack(order + "I", following)


@pytest.mark.parametrize("order", ["<", ">"])
def test_read_pages_are_counted(order: str) -> None:
    head = (b"II*\0" if order == "<" else b"MM\0*") + pack(order + "I", 8)
    first = directory(order, 38, (256, 3, 640), (257, 4, 480))
    assert len(head + first) == 38
    assert tiff.read(head + first + directory(order, 0)) == Extent(640, 480, 2)


def test_read_pages_in_a_circle_are_counted_once() -> None:
    assert tiff.read(
        b"II*\0" + pack("<I", 8) + directory("<", 8, (256, 4, 1), (257, 4, 2))
    ) == Extent(1, 2, 1)


def test_read_endless_pages_are_counted_up_to_the_bound() -> None:
    body = b"II*\0" + pack("<I", 8) + directory("<", 38, (256, 4, 1), (257, 4, 2))
    pages = b"".join(directory("<", 38 + 6 * page) for page in range(1, MAX_FRAMES_COUNTED + 9))
    assert tiff.read(body + pages).frames == MAX_FRAMES_COUNTED


@pytest.mark.parametrize(
    "body",
    [
        b"II*\0" + pack("<I", 8) + directory("<", 0, (256, 4, 1)),
        b"II*\0" + pack("<I", 8) + pack("<HHHIII", 1, 256, 2, 1, 1, 0),
        b"II+\0" + pack("<HHQ", 4, 0, 16) + bytes(20),
    ],
)
def test_read_directory_without_a_size_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        tiff.read(body)
