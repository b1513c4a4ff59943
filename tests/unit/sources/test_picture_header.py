"""Formats, sizes and frames of real pictures; never anything but our errors for the rest."""

import time
from struct import pack

import pytest
import pyvips
from hypothesis import example, given
from hypothesis import strategies as st

from imcaxy.errors import ImcaxyError, SourceTooLarge, SourceUnsupported, Undecodable
from imcaxy.sources.picture_header import PictureHeader, read_header


def still() -> pyvips.Image:
    ramp = pyvips.Image.xyz(64, 48)[0].linear(3, 0).cast("uchar")
    return ramp.bandjoin([128, 30]).copy(interpretation="srgb")


def stack() -> pyvips.Image:
    """Three frames that differ, so that no writer drops one."""
    ramp = pyvips.Image.xyz(64, 48 * 3)[1].cast("uchar").bandjoin([1, 2])
    frames = ramp.copy(interpretation="srgb").copy()
    frames.set_type(pyvips.GValue.gint_type, "page-height", 48)
    return frames


SAVED: list[tuple[str, bytes, int]] = [
    ("jpeg", still().jpegsave_buffer(), 1),
    ("jpeg", still().jpegsave_buffer(interlace=True), 1),
    ("jpeg", still().jpegsave_buffer(keep="none"), 1),
    ("png", still().pngsave_buffer(), 1),
    ("webp", still().webpsave_buffer(keep="none"), 1),
    ("webp", still().webpsave_buffer(keep="none", lossless=True), 1),
    ("webp", still().webpsave_buffer(), 1),
    ("webp", still().bandjoin(100).webpsave_buffer(keep="none"), 1),
    ("webp", stack().webpsave_buffer(), 3),
    ("gif", still().gifsave_buffer(), 1),
    ("gif", stack().gifsave_buffer(), 3),
    ("tiff", still().tiffsave_buffer(), 1),
    ("tiff", still().tiffsave_buffer(bigtiff=True), 1),
    ("tiff", stack().tiffsave_buffer(), 3),
    ("avif", still().heifsave_buffer(compression="av1", effort=0), 1),
]
BODIES = [body for _, body, _ in SAVED]


@pytest.mark.parametrize(("name", "body", "frames"), SAVED)
def test_read_header_real_picture_is_described(name: str, body: bytes, frames: int) -> None:
    header = read_header(body)
    assert (header.format, header.width, header.height, header.frames) == (name, 64, 48, frames)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf\n <?xml version='1.0'?><svg/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><feed/>", "an XML document"),
        (b"<!DOCTYPE html><title>", "an HTML page"),
        (b"<HTML>", "an HTML page"),
        (b"not found", "text"),
        (b"%PDF-1.7", "a PDF document"),
        (b"BM\0\0", "a BMP picture"),
        (b"\0\0\x01\0\x01\0", "an icon (ICO)"),
        (b"8BPS", "a Photoshop file"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "a video, or a picture of an unknown brand"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a file of an unknown kind"),
        (b"\xff\xd8", "a file of an unknown kind"),
    ],
)
def test_read_header_anything_else_is_named_and_unsupported(body: bytes, found: str) -> None:
    with pytest.raises(SourceUnsupported) as caught:
        read_header(body)
    assert caught.value.value == found
    assert "WebP" in (caught.value.accepted or "")


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\x02",
        b"\xff\xd8\xff\xe0\0\x01",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\x40",  # no height
        b"\x89PNG\r\n\x1a\n",
        BODIES[3][:12] + b"IDAT" + BODIES[3][16:],
        BODIES[3][:19] + b"\xff" + BODIES[3][20:],  # a width that its checksum does not cover
        b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0" + bytes(20),
        b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0" + bytes(20),
        b"RIFF\0\0\0\0WEBPICCP" + bytes(20),
        b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9),
        b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9) + b"ANMF\xff\0\0\0",
        b"II*\0\x08\0\0\0",
        b"GIF89a",
    ],
)
def test_read_header_damaged_picture_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        read_header(body)


@pytest.mark.parametrize("body", BODIES)
def test_read_header_cut_anywhere_raises_nothing_foreign(body: bytes) -> None:
    for end in range(min(len(body), 400)):
        try:
            read_header(body[:end])
        except ImcaxyError as error:
            assert error.detail  # noqa: PT017 - many outcomes are right, foreign exceptions are not


@given(st.binary(max_size=300))
def test_read_header_any_bytes_raise_nothing_foreign(body: bytes) -> None:
    outcome(body)


@given(
    st.sampled_from(BODIES),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=8),
)
@example(BODIES[0], [(4, 0)])
def test_read_header_mutated_picture_raises_nothing_foreign(
    body: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(body)
    for offset, value in changes:
        changed[offset % len(changed)] = value
    outcome(bytes(changed))


def outcome(body: bytes) -> PictureHeader | ImcaxyError:
    try:
        header = read_header(body)
    except ImcaxyError as error:
        return error
    assert header.width > 0
    assert header.height > 0
    assert header.frames > 0
    return header


MIB_8 = 8 * 1024 * 1024
GIF = b"GIF89a" + pack("<HHBBB", 9, 9, 0, 0, 0) + b"\x2c" + pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x02"
WEBP = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GIF + (b"\xff" + b"a" * 255) * (MIB_8 // 256), PictureHeader),
        (GIF + b"\x01a" * (MIB_8 // 2), SourceTooLarge),
        (GIF + b"\x01a\x02bb" * (MIB_8 // 5), SourceTooLarge),
        (GIF + (b"\0" + GIF[13:]) * (MIB_8 // 12), PictureHeader),
        (b"\xff\xd8" + b"\xff" * MIB_8, SourceTooLarge),
        (b"\xff\xd8" + b"\xff\xe1\0\x02" * (MIB_8 // 4), SourceTooLarge),
        (b"\xff\xd8\xff" + b"\xff\0" * (MIB_8 // 2), SourceTooLarge),
        (WEBP + b"JUNK\0\0\0\0" * (MIB_8 // 8), SourceTooLarge),
        (WEBP + b"ANMF\0\0\0\0" * (MIB_8 // 8), PictureHeader),
        (b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * (MIB_8 // 8), SourceTooLarge),
    ],
)
def test_read_header_worst_cases_cost_little(
    body: bytes, expected: type[PictureHeader | ImcaxyError]
) -> None:
    began = time.process_time()
    found = outcome(body)
    spent = time.process_time() - began
    assert isinstance(found, expected)
    assert spent < 0.1  # a quadratic reader takes minutes; the margin is for a busy machine


def _stored(name: str, options: dict[str, object]) -> PictureHeader:
    image = pyvips.Image.black(64, 48, bands=3).copy(interpretation="srgb")
    body: bytes = getattr(image, name)(keep="none", **options)
    return read_header(body)


@pytest.mark.parametrize(
    ("saver", "options", "held"),
    [
        ("jpegsave_buffer", {}, 0),
        ("jpegsave_buffer", {"interlace": True, "Q": 80}, 64 * 48 * 3),
        ("jpegsave_buffer", {"interlace": True, "subsample_mode": "off"}, 64 * 48 * 6),
        ("webpsave_buffer", {}, 0),
        ("webpsave_buffer", {"lossless": True}, 64 * 48 * 4),
        ("pngsave_buffer", {}, 0),
        ("pngsave_buffer", {"interlace": True}, 64 * 48 * 4),
    ],
)
def test_read_header_tells_what_decoders_hold_of_the_whole(
    saver: str, options: dict[str, object], held: int
) -> None:
    assert _stored(saver, options).held == held


def test_read_header_of_a_jpeg_in_one_scan_for_each_colour_counts_it_as_held() -> None:
    frame = bytes.fromhex("ffc0 0011 08 0030 0040 03 01 11 00 02 11 00 03 11 00")
    one, all_three = bytes.fromhex("ffda 0008 01 0100 003f00"), bytes.fromhex("ffda 000c 03")
    start = b"\xff\xd8\xff\xe0\x00\x04\x00\x00"
    assert read_header(start + frame + one).held == 64 * 48 * 6
    assert read_header(start + frame + b"\xff\xc4\x00\x04\x00\x00" + all_three).held == 0
