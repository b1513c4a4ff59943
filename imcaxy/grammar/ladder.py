"""Which widths pictures may have, so that few pictures are made of one source."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imcaxy.errors import WidthRefused
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.numbers import LARGEST
from imcaxy.grammar.operations import Parameters
from imcaxy.grammar.pipeline import format_steps, parse_steps


@dataclass(frozen=True, slots=True)
class Ladder:
    """The allowed widths in pixels, rising; `strict` refuses others, else they are rounded up."""

    widths: tuple[int, ...]
    strict: bool


def hold_to_ladder(request: ImageRequest, ladder: Ladder) -> ImageRequest:
    """The request with allowed widths only; raises WidthRefused where the ladder is strict.

    What counts is the parameter `width` of every operation and of every step of a pipeline. What
    names a part of the source or of an overlay does not (`areawidth`, `textwidth`), nor does a
    height without a width. A width is rounded up to the next allowed one, or down to the largest,
    and its height with it, so that the shape stays. The result is canonical.
    """
    options = request.options
    if request.operation == "pipeline":
        steps = parse_steps(str(options["operations"]))
        held = tuple(
            replace(step, parameters=_held(dict(step.parameters), ladder)) for step in steps
        )
        operations = format_steps(held) if held != steps else options["operations"]
        return replace(request, parameters=(("operations", operations),))
    return replace(request, parameters=_held(options, ladder))


def _held(options: Mapping[str, Value], ladder: Ladder) -> Parameters:
    width = options.get("width")
    if not isinstance(width, int) or width <= 0 or width in ladder.widths:
        return tuple(options.items())
    if ladder.strict:
        raise WidthRefused(
            "This server makes pictures of certain widths only.",
            value=str(width),
            accepted=", ".join(map(str, ladder.widths)),
        )
    step = next((step for step in ladder.widths if step > width), ladder.widths[-1])
    changed = {**options, "width": step}
    height = options.get("height")
    if isinstance(height, int) and height > 0:
        changed["height"] = min(max((2 * height * step + width) // (2 * width), 1), LARGEST)
    return tuple(changed.items())
