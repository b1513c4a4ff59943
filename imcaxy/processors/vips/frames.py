"""The wire between the server and its children: frames of plain values, never pickled objects.

A frame is a big-endian 32-bit length, a JSON object of that length, and the bodies whose lengths
the object's "bodies" lists. Whoever reads decides how much it is willing to read.
"""

import json
import struct
from collections.abc import Mapping, Sequence

Header = Mapping[str, object]

LENGTH_BYTES = 4
MAX_HEADER_BYTES = 64 * 1024
# A request that says KEEP has its pixels held for the next one that says so, which then brings no
# bodies; FORGET is a frame of its own that lets go of them, and has no answer.
KEEP, FORGET = "keep", "forget"
MAX_PIXELS_BYTES = 64 * 1024 * 1024  # that are held so
_LENGTH = struct.Struct("!I")


class FrameError(Exception):
    """What was read is not a frame, or a larger one than the reader takes."""


def pack_header(header: Header, bodies: Sequence[bytes | memoryview]) -> bytes:
    """The bytes that stand before the bodies. Raises FrameError for too large a header."""
    lengths = [len(body) for body in bodies]
    text = json.dumps({**header, "bodies": lengths}, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise FrameError("the header is too long")
    return _LENGTH.pack(len(text)) + text


def header_length(prefix: bytes) -> int:
    """The header's length in bytes. Raises FrameError when no honest frame has it."""
    length: int = _LENGTH.unpack(prefix)[0]
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise FrameError("not a header's length")
    return length


def parse_header(text: bytes) -> dict[str, object]:
    """The header. Raises FrameError."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise FrameError("the header is not an object")
    return header


def body_lengths(header: Header, most: int) -> list[int]:
    """The bodies' lengths in bytes, in order. Raises FrameError when their sum exceeds `most`."""
    lengths = header.get("bodies")
    if not isinstance(lengths, list) or not all(
        type(item) is int and item >= 0 for item in lengths
    ):
        raise FrameError("no lengths of bodies")
    if sum(lengths) > most:
        raise FrameError("the bodies are too long")
    return lengths
