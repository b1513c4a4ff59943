"""Strategies for requests that are well formed, and for the spellings of one request."""

import json
from typing import Any

from hypothesis import strategies as st

from imcaxy.grammar.operations import OPERATIONS
from imcaxy.grammar.parameters import FORMATS, PARAMETERS

URL = "https://example.com/a/photo.jpg"
OVERLAY = "https://example.org/logo.png"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
BYTES = st.integers(0, 255)

_SIZES = st.integers(0, 3000).map(str)
_FLAGS = st.sampled_from(["true", "false", "1", "0", "T", ""])
_REALS = st.floats(0, 1000).map(repr)
_COLOURS = st.tuples(BYTES, BYTES, BYTES).map(lambda colour: ",".join(map(str, colour)))
_SPECIAL: dict[str, st.SearchStrategy[str]] = {
    "type": st.sampled_from([*FORMATS, "auto", "JPG", "PNG", ""]),
    "gravity": st.sampled_from(["north", " Smart", "centre", "nowhere", ""]),
    "extend": st.sampled_from(["black", "COPY", "mirror", "white", "lastpixel", "odd", ""]),
    "colorspace": st.sampled_from(["bw", "srgb", "BW"]),
    "background": _COLOURS,
    "color": _COLOURS,
    "aspectratio": st.sampled_from(["16:9", "4:3", "1:1", "", "400:300"]),
    "text": TEXT,
    "font": TEXT,
    "image": st.just(OVERLAY),
}


def _strategy(name: str) -> st.SearchStrategy[str]:
    default = PARAMETERS[name].default
    if name in _SPECIAL:
        return _SPECIAL[name]
    if isinstance(default, bool):
        return _FLAGS
    return _REALS if isinstance(default, float) else _SIZES


VALUES = {name: _strategy(name) for name in PARAMETERS if name != "operations"}

# What makes each operation possible whatever else is drawn.
_SURE = {
    "width": "640",
    "height": "480",
    "areawidth": "10",
    "areaheight": "20",
    "factor": "1",
    "rotate": "90",
    "sigma": "1.5",
    "text": "hello",
    "image": OVERLAY,
    "type": "webp",
}


def needed(operation: str) -> dict[str, str]:
    """The fewest parameters with which the operation can work."""
    if operation == "pipeline":
        return {"operations": '[{"operation":"flip"}]'}
    return {names[0]: _SURE[names[0]] for names in OPERATIONS[operation].needs}


@st.composite
def parameters(draw: st.DrawFn, operation: str) -> dict[str, str]:
    """Parameters of one operation, one text each, that it can work with."""
    optional = {name: values for name, values in VALUES.items() if name not in needed(operation)}
    drawn = draw(st.fixed_dictionaries({}, optional=optional))
    if operation == "zoom":
        drawn |= {"areawidth": "7"}
    return {**drawn, **needed(operation)}


@st.composite
def steps(draw: st.DrawFn) -> str:
    """The JSON of a pipeline."""
    names = st.sampled_from(sorted(set(OPERATIONS) - {"info", "pipeline"}))
    made: list[dict[str, Any]] = []
    for operation in draw(st.lists(names, min_size=1, max_size=4)):
        spelled = "watermarkImage" if operation == "watermarkimage" else operation
        params = draw(parameters(operation))
        if operation == "convert":
            params["type"] = "png"
        made.append({"operation": spelled, "params": params, "ignore_failure": draw(st.booleans())})
    return json.dumps(made)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """An operation and its parameters, without a source."""
    operation = draw(st.sampled_from(sorted(OPERATIONS)))
    drawn = draw(parameters(operation))
    if operation == "pipeline":
        drawn["operations"] = draw(steps())
    return operation, drawn
