"""Colours, in the child: every picture leaves as 8-bit sRGB or grey."""

import pyvips

_PROFILE = "icc-profile-data"


def to_srgb(image: pyvips.Image) -> pyvips.Image:
    """The picture in sRGB (grey stays grey), 8 bits a channel, without a colour profile.

    An embedded profile is applied; a picture without one is taken as sRGB and not touched, CMYK
    without one goes through libvips' own. Dropping a profile therefore never changes a colour.
    """
    image = _eight_bits(image)
    grey = image.interpretation == "b-w"
    if image.get_typeof(_PROFILE) or image.interpretation == "cmyk":
        image = _without_profile(_applied(image))
    target = "b-w" if grey else "srgb"
    return image if image.interpretation == target else image.colourspace(target)


def to_grey(image: pyvips.Image) -> pyvips.Image:
    """The picture as one channel of lightness, and its alpha."""
    return image if image.interpretation == "b-w" else image.colourspace("b-w")


def flatten(image: pyvips.Image, background: tuple[int, ...]) -> pyvips.Image:
    """The picture without alpha, laid on a background of that sRGB colour."""
    if not image.hasalpha():
        return image
    image = with_room_for(image, background)
    return image.flatten(background=list(background if image.bands > 2 else background[:1]))


def with_room_for(image: pyvips.Image, background: tuple[int, ...]) -> pyvips.Image:
    """The picture in colour if it is grey and the background is not."""
    if image.interpretation == "b-w" and len(set(background)) > 1:
        return image.colourspace("srgb")
    return image


def _applied(image: pyvips.Image) -> pyvips.Image:
    fallback = {"input_profile": "cmyk"} if image.interpretation == "cmyk" else {}
    try:
        return image.icc_transform(
            "srgb",
            embedded=True,
            intent="relative",
            black_point_compensation=True,
            depth=8,
            **fallback,
        )
    except pyvips.Error:
        return image  # a profile that cannot be used counts as none, as in browsers


def _without_profile(image: pyvips.Image) -> pyvips.Image:
    image = image.copy()  # whose metadata may be changed
    image.remove(_PROFILE)  # does nothing when there is none
    return image


def _eight_bits(image: pyvips.Image) -> pyvips.Image:
    if image.format != "ushort" or image.interpretation not in ("rgb16", "grey16", "cmyk"):
        return image
    names = {"rgb16": "srgb", "grey16": "b-w", "cmyk": "cmyk"}
    return (image >> 8).cast("uchar").copy(interpretation=names[image.interpretation])
