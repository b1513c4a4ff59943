"""What each operation reads, needs and presumes, and so which requests mean the same picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from imcaxy.errors import MissingParameter, OperationUnknown
from imcaxy.grammar.image_request import Value
from imcaxy.grammar.numbers import bounded
from imcaxy.grammar.parameters import AUTO, FORMATS, PARAMETERS, malformed
from imcaxy.grammar.text import legible

Parameters = tuple[tuple[str, Value], ...]
Names = tuple[str, ...]

# Read by every operation that makes a picture from options. `speed` is not among them: it never
# has a visible effect.
_COMMON = frozenset(
    {
        "width",
        "height",
        "type",
        "quality",
        "compression",
        "palette",
        "interlace",
        "stripmeta",
        "noprofile",
        "norotation",
        "rotate",
        "flip",
        "flop",
        "force",
        "embed",
        "extend",
        "background",
        "gravity",
        "colorspace",
        "aspectratio",
        "sigma",
        "minampl",
    }
)
_AREA = frozenset({"top", "left", "areawidth", "areaheight", "nocrop"})
_SIDES: tuple[Names, ...] = (("width", "height"),)
_BOTH_SIDES: tuple[Names, ...] = (("width",), ("height",))

LOSSY = frozenset({"jpeg", "webp", "avif", "heif", "jxl"})  # formats whose encoder has a quality


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API.

    `needs` lists alternatives: of each, at least one must be given and not zero or empty.
    `presumes` are defaults that differ from the parameter's own.
    """

    reads: frozenset[str]
    needs: tuple[Names, ...] = ()
    presumes: Mapping[str, Value] = field(default_factory=dict)


_WATERMARK = frozenset(
    {"text", "font", "dpi", "margin", "textwidth", "opacity", "noreplicate", "color"}
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "info": Operation(frozenset()),
        "autorotate": Operation(frozenset()),
        # `embed`, `gravity`, `flip` and `flop` are fixed where they are taken away.
        "resize": Operation(_COMMON - {"embed"} | {"nocrop"}, _SIDES, {"nocrop": True}),
        "fit": Operation(_COMMON - {"embed"}, _BOTH_SIDES),
        "enlarge": Operation(_COMMON | {"nocrop"}, _BOTH_SIDES),
        "extract": Operation(_COMMON | _AREA - {"nocrop"}, (("areawidth",), ("areaheight",))),
        "crop": Operation(_COMMON, _SIDES),
        "smartcrop": Operation(_COMMON - {"gravity"}, _SIDES),
        "rotate": Operation(_COMMON, (("rotate",),)),
        "flip": Operation(_COMMON - {"flip"}),
        "flop": Operation(_COMMON - {"flop"}),
        "thumbnail": Operation(_COMMON, _SIDES),
        "zoom": Operation(_COMMON | _AREA | {"factor"}, (("factor",),), {"nocrop": True}),
        "convert": Operation(_COMMON, (("type",),)),
        "blur": Operation(_COMMON, (("sigma", "minampl"),)),
        "watermark": Operation(_COMMON | _WATERMARK, (("text",),), {"opacity": 0.25}),
        "watermarkimage": Operation(
            _COMMON | {"top", "left", "image", "opacity"}, (("image",),), {"opacity": 1.0}
        ),
        "pipeline": Operation(frozenset({"operations"}), (("operations",),)),
    }
)


def find_operation(name: str) -> Operation:
    """The operation of this exact name; raises OperationUnknown."""
    try:
        return OPERATIONS[name]
    except KeyError:
        raise OperationUnknown(
            value=legible(name), accepted=", ".join(sorted(OPERATIONS))
        ) from None


def require_parameters(operation: str, values: Mapping[str, Value]) -> None:
    """Raises MissingParameter when the operation cannot work with the values; zero is missing."""
    needs = OPERATIONS[operation].needs
    if operation == "zoom" and _names_area(values):
        needs = (*needs, ("areawidth", "areaheight"))
    for alternatives in needs:
        if not any(values.get(name) for name in alternatives):
            wanted = " or ".join(alternatives)
            number = isinstance(PARAMETERS[alternatives[0]].default, int | float)
            raise MissingParameter(
                f"The operation {operation} needs the parameter {wanted}"
                f"{', above 0' if number else ''}.",
                accepted=wanted,
            )


def canonical_parameters(operation: str, values: Mapping[str, Value]) -> Parameters:
    """The one form of all values that mean the same picture, sorted by name.

    Values that the operation does not read, that change nothing beside the others, or that equal
    the default are gone; `aspectratio` has become the side that it yields. What is kept beyond
    need costs a second entry, what is dropped wrongly a wrong picture: where it depends on the
    source (`extend`, `background`), it is kept. Applying it again changes nothing.

    Raises MalformedParameter when `aspectratio` yields a side beyond the bound.
    """
    spec = OPERATIONS[operation]
    read = {name: value for name, value in values.items() if name in spec.reads}
    _resolve_ratio(read)
    _resolve_opacity(operation, read)
    for name in _inert(operation, read):
        read.pop(name, None)
    return tuple(
        sorted(
            (name, value)
            for name, value in read.items()
            if value != spec.presumes.get(name, PARAMETERS[name].default)
        )
    )


def uses_quality(operation: str, values: Mapping[str, Value]) -> bool:
    """Whether `quality` can change the picture; so it can where the source decides the format."""
    return "quality" in OPERATIONS[operation].reads and _format_uses_quality(values)


def _format_uses_quality(values: Mapping[str, Value]) -> bool:
    target = values.get("type", AUTO)
    return target == AUTO or target in LOSSY or (target == "png" and bool(values.get("palette")))


def _names_area(values: Mapping[str, Value]) -> bool:
    return any(isinstance(side := values.get(name), int) and side > 0 for name in ("top", "left"))


def _inert(operation: str, read: Mapping[str, Value]) -> set[str]:
    inert: set[str] = set()
    if not _format_uses_quality(read):
        inert.add("quality")
    if read.get("type") in FORMATS and read["type"] != "png":
        inert |= {"compression", "palette"}
    sigma = read.get("sigma")
    if isinstance(sigma, float) and sigma > 0:
        inert.add("minampl")
    if operation == "zoom" and not _names_area(read):
        inert |= _AREA
    return inert


def _resolve_ratio(read: dict[str, Value]) -> None:
    # Imaginary divides before it multiplies: 300 at 400:300 is 0, which means "not given".
    ratio = read.pop("aspectratio", None)
    if not isinstance(ratio, tuple):
        return
    given = {name: side for name in ("width", "height") if (side := read.get(name))}
    if len(given) != 1:
        return
    (name, side) = given.popitem()
    across, down = ratio
    divisor, factor = (across, down) if name == "width" else (down, across)
    if not isinstance(side, int) or side < 0:
        return
    try:
        read["height" if name == "width" else "width"] = bounded(side // divisor * factor)
    except ValueError as error:
        raise malformed("aspectratio", f"{across}:{down}", str(error)) from None


def _resolve_opacity(operation: str, read: dict[str, Value]) -> None:
    opacity = read.get("opacity")
    if opacity == 0:
        del read["opacity"]
    elif operation == "watermark" and isinstance(opacity, float):
        read["opacity"] = min(opacity, 1.0)
