"""What a picture will cost, told from headers before anything is decoded. Pure.

The coefficients come from measured peaks and times (docs/decisions/admission.md): memory errs to
the high side, as running out of it costs everybody; time only has to tell short work from long.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from imcaxy.errors import ImcaxyError
from imcaxy.processors.base import Cost, Pixels
from imcaxy.processors.vips import geometry
from imcaxy.processors.vips.frames import MAX_PIXELS_BYTES
from imcaxy.sources.base import Original

Options = Mapping[str, object]
Steps = Sequence[tuple[str, Options]]

_MIB = 1024 * 1024
_ALWAYS = 14 * _MIB  # rows in flight, tables of codecs
_FRAMES_KEPT = frozenset({"gif", "webp"})


class _Decoder(NamedTuple):
    """What reading a format takes."""

    memory: float  # bytes per pixel that stay until the end
    nanoseconds: float  # per pixel


class _Encoder(NamedTuple):
    """What writing a format takes."""

    memory: float  # bytes per pixel
    nanoseconds: float  # per pixel


_DECODERS = {
    "jpeg": _Decoder(0, 6.5),
    "png": _Decoder(4, 25),
    "webp": _Decoder(4, 15),
    "gif": _Decoder(12, 40),
    "tiff": _Decoder(4, 10),
    "avif": _Decoder(20, 45),  # planes, their conversion and what it is made into, all at once
    "heif": _Decoder(20, 60),
}
_ENCODERS = {
    "jpeg": _Encoder(6, 10),  # coefficients of the whole picture: its codes are optimised
    "png": _Encoder(5, 80),
    "webp": _Encoder(8, 110),
    "avif": _Encoder(22, 140),
    "tiff": _Encoder(6, 10),
    "gif": _Encoder(20, 600),
    "palette": _Encoder(20, 350),  # PNG
}
_SHRUNK = 2.3  # nanoseconds per pixel of a JPEG that its decoder shrinks
_HELD = 2.5  # nanoseconds per byte that is held before the first row
_TOUCHED = 12  # nanoseconds per pixel that steps between decoding and encoding read and write
_COPY = 4  # bytes per pixel that a turn takes; EXIF, which nobody has read yet, may ask for one
_DEFAULT = "jpeg"
# From where on one decode for several is worth that they are made one after another.
LONG_DECODE = 0.02  # seconds
_TIMES = 2  # as long as what follows it


def cost(steps: Steps, originals: Sequence[Original]) -> Cost:
    """Bytes above those of an idle child, at the peak, and seconds of processor time.

    Where a request cannot be carried out, what reading its source takes: the child finds out.
    """
    source, overlays = originals[0], originals[1:]
    if steps[0][0] == "info":
        return Cost(_ALWAYS + len(source.body), 0.001)
    sizes, shrink = _sizes(steps, source)
    last = steps[-1][1]
    kind = str(last.get("type") or (source.format if source.format != "avif" else _DEFAULT))
    frames = source.frames if kind in _FRAMES_KEPT and source.format in _FRAMES_KEPT else 1
    encoder = _ENCODERS.get("palette" if last.get("palette") else kind, _ENCODERS["png"])
    read = [_read(source, shrink, frames), *(_read(overlay, 1, 1) for overlay in overlays)]
    final = _pixels(sizes[-1]) * frames
    touched = sum(map(_pixels, sizes)) * frames
    decoding = sum(one.seconds for one in read)
    rest = (touched * _TOUCHED + final * encoder.nanoseconds) / 1e9
    gains = not overlays and frames == 1 and decoding >= max(LONG_DECODE, _TIMES * rest)
    return Cost(
        int(sum(one.memory for one in read) + touched * _COPY + final * encoder.memory) + _ALWAYS,
        decoding + rest,
        pixels(source, shrink) if gains else None,
    )


def pixels(source: Original, shrink: int) -> Pixels | None:
    """The first frame, its sides divided by `shrink`; None where it is too large to be held."""
    memory = -(-source.width // shrink) * -(-source.height // shrink) * source.pixel
    return Pixels(f"{source.digest}/{shrink}", memory) if memory <= MAX_PIXELS_BYTES else None


def _read(original: Original, shrink: int, frames: int) -> Cost:
    """What decoding takes; `shrink` is the decoder's own."""
    decoder = _DECODERS[original.format]
    pixels = original.width * original.height
    per_pixel = max(decoder.memory, original.pixel) if decoder.memory else 0
    memory = len(original.body) + original.held + per_pixel * pixels / shrink**2
    nanoseconds = _SHRUNK if shrink > 1 and original.format == "jpeg" else decoder.nanoseconds
    # Every frame of a still that is taken from an animation is not read: only the first.
    return Cost(int(memory), (pixels * frames * nanoseconds + original.held * _HELD) / 1e9)


def _sizes(steps: Steps, source: Original) -> tuple[list[geometry.Size], int]:
    """The largest that the picture is after each step, and the decoder's shrink."""
    now, shrink, sizes = (source.width, source.height), 0, list[geometry.Size]()
    for operation, options in steps:
        try:
            plan = geometry.plan(operation, options, now, 0, source.format)
        except ImcaxyError:
            break
        shrink = shrink or plan.shrink
        sizes.append(max(plan.size, plan.scaled, key=_pixels))
        now = plan.size
    return sizes or [now], shrink or 1


def _pixels(size: geometry.Size) -> int:
    return size[0] * size[1]
