"""How alike two pictures look: the structural similarity index (Wang et al., 2004), by libvips."""

import contextlib
from typing import NamedTuple

import pyvips

_SIGMA = 1.5  # pixels; the window of the paper
_STEADY = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2 of the paper


class Likeness(NamedTuple):
    """How alike two pictures of one size are."""

    similarity: float  # mean index of lightness or of alpha, the lower of them; 1 for equal ones
    tint: float  # levels (0 to 255) by which the mean of a colour channel differs at most


def likeness(one: pyvips.Image, other: pyvips.Image) -> Likeness:
    """Both measures, as a viewer with colour management sees the pictures.

    The index is that of the paper, which knows no colour: that is what `tint` is for. A picture
    with alpha is laid on mid-grey, and its alpha compared as a second channel.
    """
    (left, left_alpha), (right, right_alpha) = _seen(one), _seen(other)
    similarity = _index(left.colourspace("b-w"), right.colourspace("b-w"))
    if left_alpha is not None or right_alpha is not None:
        opaque = (left[0] * 0 + 255).cast("uchar")
        similarity = min(similarity, _index(left_alpha or opaque, right_alpha or opaque))
    tint = max(abs(left[band].avg() - right[band].avg()) for band in range(3))
    return Likeness(similarity, tint)


def _index(one: pyvips.Image, other: pyvips.Image) -> float:
    left, right = one.cast("float"), other.cast("float")
    mean_left, mean_right = _smooth(left), _smooth(right)
    square_left, square_right = mean_left * mean_left, mean_right * mean_right
    product = mean_left * mean_right
    variance_left = _smooth(left * left) - square_left
    variance_right = _smooth(right * right) - square_right
    covariance = _smooth(left * right) - product
    first, second = _STEADY
    index = ((product * 2 + first) * (covariance * 2 + second)) / (
        (square_left + square_right + first) * (variance_left + variance_right + second)
    )
    return float(index.avg())


def _smooth(image: pyvips.Image) -> pyvips.Image:
    return image.gaussblur(_SIGMA, precision="float")


def _seen(image: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image | None]:
    """The picture in opaque sRGB, and its alpha."""
    if image.get_typeof("icc-profile-data"):
        with contextlib.suppress(pyvips.Error):  # of another kind of colour: viewers ignore it
            image = image.icc_transform(
                "srgb", embedded=True, intent="relative", black_point_compensation=True
            )
    image = image.colourspace("srgb").copy_memory()
    if not image.hasalpha():
        return image, None
    return image.flatten(background=[128, 128, 128]).copy_memory(), image[3]
