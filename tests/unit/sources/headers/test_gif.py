"""GIF frames by stepping over their data."""

from struct import pack

import pytest

from imcaxy.errors import SourceTooLarge, Undecodable
from imcaxy.sources.headers import gif
from imcaxy.sources.headers.extent import MAX_FRAMES_COUNTED, Extent

HEAD = b"GIF89a" + pack("<HHBBB", 30, 20, 0, 0, 0)
TRAILER = b"\x3b"


def frame(*blocks: bytes, left: int = 0, width: int = 30, colours: int = 0) -> bytes:
    flags = 0x80 | colours - 1 if colours else 0
    table = b"\0" * (3 << colours) if colours else b""
    data = b"".join(bytes([len(block)]) + block for block in blocks)
    return b"\x2c" + pack("<HHHHB", left, 0, width, 20, flags) + table + b"\x02" + data + b"\0"


COMMENT = b"\x21\xfe\x03a\x2cb\0"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(HEAD + frame(b"a") + TRAILER, Extent(30, 20, 1), id="one"),
        pytest.param(HEAD + frame(b"\x2c" * 9) * 3 + TRAILER, Extent(30, 20, 3), id="three"),
        pytest.param(
            HEAD + COMMENT + frame(b"a", colours=8) + COMMENT + frame() + TRAILER,
            Extent(30, 20, 2),
            id="comments and colour tables",
        ),
        pytest.param(
            HEAD + frame(left=5, width=40) + TRAILER, Extent(45, 20, 1), id="larger than the screen"
        ),
        pytest.param(HEAD + frame(b"a"), Extent(30, 20, 1), id="no trailer"),
        pytest.param(HEAD + frame(b"a") + b"\0\0", Extent(30, 20, 1), id="rubbish behind"),
        pytest.param(HEAD + frame(b"a" * 200)[:-100], Extent(30, 20, 1), id="cut in the data"),
        pytest.param(
            HEAD + frame(*[b"\xff" * 255] * 1000, b"\x2c" * 7, b"\0") * 2 + TRAILER,
            Extent(30, 20, 2),
            id="many full blocks",
        ),
        pytest.param(
            HEAD + frame(*[b"ab", b"\0", b"abc"] * 50) * 2 + TRAILER,
            Extent(30, 20, 2),
            id="blocks of many lengths",
        ),
        pytest.param(
            b"GIF87a" + pack("<HHBBB", 3, 2, 0x80 | 7, 0, 0) + b"\x2c" * 768 + frame(width=1),
            Extent(3, 20, 1),
            id="global colour table",
        ),
        pytest.param(
            HEAD + frame() * (MAX_FRAMES_COUNTED + 5),
            Extent(30, 20, MAX_FRAMES_COUNTED),
            id="more than are counted",
        ),
    ],
)
def test_read_gif_counts_its_frames(body: bytes, expected: Extent) -> None:
    assert gif.read(body) == expected


@pytest.mark.parametrize("body", [HEAD, HEAD + TRAILER, HEAD + COMMENT, HEAD + b"\0"])
def test_read_gif_without_frame_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        gif.read(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HEAD + frame(*[b"a", b"bb"] * 50_000), id="short blocks"),
        pytest.param(HEAD + frame(*[b"a"] * 2_000_000), id="equal short blocks"),
        pytest.param(HEAD + b"\x21\xfe\0" * 50_000, id="empty comments"),
    ],
)
def test_read_gif_in_absurdly_many_pieces_is_too_large(body: bytes) -> None:
    with pytest.raises(SourceTooLarge):
        gif.read(body)
