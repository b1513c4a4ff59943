"""What a header tells, and the bound on how long it is listened to."""

from typing import NamedTuple

from imcaxy.errors import SourceTooLarge, Undecodable

MAX_FRAMES_COUNTED = 10_000  # a picture with more is reported as having this many
MAX_PIECES = 20_000  # blocks, boxes, chunks or segments looked at in one picture


class Extent(NamedTuple):
    """Pixels, as stored, frames, and what decoding them takes."""

    width: int
    height: int
    frames: int = 1
    pixel: int = 4  # bytes of a decoded one, at most
    held: int = 0  # bytes of the whole picture that a decoder needs before its first row


class Pieces:
    """Counts the pieces of one picture that were looked at, so that no body costs much time."""

    def __init__(self, format_name: str, most: int = MAX_PIECES) -> None:
        self._format = format_name
        self._most = self._left = most

    def count(self, pieces: int = 1) -> None:
        """Count some; SourceTooLarge past the bound."""
        self._left -= pieces
        if self._left < 0:
            raise SourceTooLarge(
                f"The {self._format} source is cut into more pieces than we read.",
                accepted=f"at most {self._most} pieces",
            )


def broken(format_name: str, what: str) -> Undecodable:
    """The error for a header that contradicts its format."""
    return Undecodable(f"The source's {format_name} header is damaged: {what}.")
