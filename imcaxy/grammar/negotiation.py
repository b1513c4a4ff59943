"""What a client's headers decide: the format for `type=auto`, and the quality under Save-Data."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.operations import canonical_parameters, uses_quality
from imcaxy.grammar.parameters import AUTO, DEFAULT_QUALITY

# Formats that every browser has always shown. Only these are covered by a wildcard: clients that
# know neither WebP nor AVIF send `*/*` and `image/*` too.
UNIVERSAL = frozenset({"jpeg", "png"})

_ELEMENT = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+', re.DOTALL)
_PARAMETER = re.compile(r';((?:[^;"]|"(?:\\.|[^"\\])*"?)*)', re.DOTALL)
_WEIGHT = re.compile(r"[0-9]*\.?[0-9]*")


def choose_format(accept: str | None, formats: Sequence[str]) -> str | None:
    """The first of `formats` that Accept allows with q > 0; None: the source's own type.

    RFC 9110 §12.5.1: the most specific range decides, so `image/webp;q=0, */*` refuses WebP. A
    format outside `UNIVERSAL` must be named; no Accept counts as `*/*`. Among the named, our
    order decides, not the size of q: it is a preference of the page's browser, never a refusal.
    """
    ranges = _ranges("*/*" if accept is None else accept)
    return next((name for name in formats if _allows(ranges, name)), None)


def negotiate(
    request: ImageRequest,
    accept: str | None,
    save_data: bool,
    formats: Sequence[str],
    quality_step: int,
) -> tuple[ImageRequest, tuple[str, ...]]:
    """The concrete request and the names of the headers that it depends on, for Vary.

    `type=auto` becomes one of `formats`, or is taken away: the source's own type. With
    `quality_step` above 0 and Save-Data sent, the quality is that much lower, at least 1. The
    result is canonical, so a format or quality asked for by name shares the entry.
    """
    values = dict(request.parameters)
    vary: list[str] = []
    if values.get("type") == AUTO:
        vary.append("Accept")
        del values["type"]
        if chosen := choose_format(accept, formats):
            values["type"] = chosen
    if quality_step > 0 and uses_quality(request.operation, values):
        vary.append("Save-Data")
        if save_data:
            held = values.get("quality")
            quality = held if isinstance(held, int) else DEFAULT_QUALITY
            values["quality"] = max(1, quality - quality_step)
    if not vary:
        return request, ()
    parameters = canonical_parameters(request.operation, values)
    return ImageRequest(request.operation, parameters, request.source, request.overlays), tuple(
        vary
    )


def _allows(ranges: Mapping[str, float], name: str) -> bool:
    weight = ranges.get(f"image/{name}")
    if weight is None and name in UNIVERSAL:
        weight = ranges.get("image/*", ranges.get("*/*"))
    return weight is not None and weight > 0


def _ranges(accept: str) -> Mapping[str, float]:
    """The weight of every media range by its lower-case name; of repeated ones the highest."""
    found: dict[str, float] = {}
    for element in _ELEMENT.findall(accept):
        name = element.partition(";")[0].strip().lower()
        found[name] = max(found.get(name, 0.0), _weight(element))
    return MappingProxyType(found)


def _weight(element: str) -> float:
    """The q of one element, 1 when it has none; one that cannot be read refuses."""
    for parameter in _PARAMETER.findall(element):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            text = value.strip()
            return float(text) if _WEIGHT.fullmatch(text) and text.strip(".") else 0.0
    return 1.0
