"""The URLs that react-client has to write, worked out by the server's grammar.

`python -m tests.contract.react_client_golden` writes them anew; both sides' tests hold to the file.
"""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imcaxy.grammar.numbers import LARGEST
from imcaxy.grammar.operations import OPERATIONS
from imcaxy.grammar.parameters import FORMATS, LARGEST_DPI, PARAMETERS
from imcaxy.grammar.parse import parse_image_request
from imcaxy.grammar.rebuild import UNESCAPED, to_query
from imcaxy.settings import LADDER

GOLDEN = Path(__file__).resolve().parents[2] / "react-client" / "golden"
PHOTO = "https://origin.example/photo.jpg"
LOGO = "https://Origin.example:443/logo.png#here"
SEEDED = 300

Case = dict[str, Any]
Params = dict[str, Any]

SOURCES = [
    "https://origin.example/photo.jpg?size=1&b=%2F#part",
    "HTTP://Origin.EXAMPLE:80/A b.jpg",
    "https://origin.example",
    "https://origin.example:8443/żółw(1)!.jpg?q=its*~",
    "https://żółw.example/a%20b.jpg",
    "http://192.0.2.1/a,b;c=d&e.jpg",
    "http://[2001:DB8::1]/a.jpg",
    'https://origin.example/"<>.jpg?"<>',
    "photo.jpg",
    "/photos/żółw 100%.jpg",
]
BY_HAND: list[tuple[str, Params]] = [
    ("info", {}),
    ("autorotate", {}),
    ("resize", {"width": 300, "quality": 75, "flip": False, "rotate": 90}),
    ("resize", {"height": 300, "nocrop": False, "type": "auto", "quality": 60}),
    ("fit", {"width": 1, "height": 65535, "type": "jpeg", "compression": 9, "palette": True}),
    ("enlarge", {"width": 9, "height": 9, "nocrop": True, "type": "png", "quality": 60}),
    ("enlarge", {"width": 9, "height": 9, "type": "png", "quality": 60, "palette": True}),
    ("extract", {"areawidth": 9, "areaheight": 9, "top": 0, "left": 4}),
    ("crop", {"width": 9, "type": "tiff", "quality": 60, "compression": 3}),
    ("smartcrop", {"width": 9, "type": "png", "compression": 6, "palette": False}),
    ("crop", {"width": LARGEST, "height": 70_000, "quality": 100}),
    ("watermark", {"text": "a", "dpi": LARGEST_DPI, "textwidth": LARGEST}),
    ("blur", {"minampl": 70_000.5}),
    ("zoom", {"factor": 2}),
    ("zoom", {"factor": 2, "top": 1, "areawidth": 9, "areaheight": 9, "nocrop": False}),
    ("blur", {"sigma": 2.0, "minampl": 0.5}),
    ("blur", {"minampl": 0.25}),
    ("watermark", {"text": "(c) 'Æ*' & co!", "opacity": 0.25, "dpi": 150, "color": [0, 0, 0]}),
    ("watermark", {"text": "0", "font": "sans 10", "opacity": 1, "color": [255, 0, 9]}),
    ("watermark", {"text": "png quality=75", "opacity": 0, "font": "serif bold 12"}),
    ("watermarkimage", {"image": LOGO, "opacity": 1, "background": [0, 0, 0], "top": 9}),
    ("watermarkimage", {"image": LOGO, "opacity": 0.25, "background": [1, 2, 3]}),
    ("pipeline", {"operations": [{"operation": "flip"}]}),
    (
        "pipeline",
        {
            "operations": [
                {"operation": "crop", "params": {"width": 9, "height": 8, "type": "webp"}},
                {
                    "operation": "watermarkImage",
                    "params": {"opacity": 1, "image": LOGO, "background": [9, 8, 7]},
                    "ignore_failure": True,
                },
                {"operation": "blur", "params": {"sigma": 2.0, "minampl": 1.5}},
                {"operation": "resize", "params": {"width": 5, "nocrop": False, "quality": 75}},
            ]
        },
    ),
]

_NAMED: Mapping[str, list[Any]] = {
    "type": [*FORMATS, "auto"],
    "quality": [1, 60, 75, 100],
    "compression": [1, 6, 9],
    "rotate": [90, 180, 270],
    "gravity": ["north", "south", "east", "west", "smart"],
    "extend": ["black", "mirror", "white", "background"],
    "colorspace": ["bw"],
    "background": [[0, 0, 0], [1, 20, 255]],
    "color": [[0, 0, 0], [1, 20, 255]],
    "text": ["a", "0", "ż ó+%", "true", "a,b\n"],
    "font": ["sans 10", "serif"],
    "image": [PHOTO, LOGO],
    "opacity": [0, 0.25, 0.5, 1],
}
_NOT_TYPED = {"aspectratio", "nocrop", "operations"}


def canonical(operation: str, src: str, params: Params, version: str | None = None) -> str:
    """The path and query that mean the same as these, as the server reads them."""
    name = "url" if src.lower().startswith(("http:", "https:")) else "file"
    texts = {key: _text(value) for key, value in params.items()} | {name: src}
    if version is not None:
        texts["v"] = version
    query = "&".join(f"{key}={quote(text)}" for key, text in texts.items())
    parsed = parse_image_request(operation, query)
    pairs = [pair for pair in to_query(parsed.request).split("&") if pair]
    pairs.append(f"{name}={quote(parsed.request.source.value, safe=UNESCAPED)}")
    if parsed.version is not None:
        pairs.append(f"v={quote(parsed.version, safe=UNESCAPED)}")
    return f"/{operation}?{'&'.join(sorted(pairs))}"


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case [dict(), *_]:
            return json.dumps([_step(step) for step in value])
        case list():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    params = {
        name: _text(value) if isinstance(value, list) else value
        for name, value in step.get("params", {}).items()
    }
    return {**step, "params": params}


def cases() -> list[Case]:
    """Every case, always the same: what react-client's types allow, and the URL that it makes."""
    found: list[Case] = [_case(operation, params) for operation, params in BY_HAND]
    found += [_case("resize", {"width": 9}, src=src) for src in SOURCES]
    found.append(_case("resize", {"width": 9}, version="3f2c1a9 (b)"))
    drawing = random.Random(11)
    names = sorted(OPERATIONS)
    found += [_case(name, _drawn(drawing, name)) for name in drawing.choices(names, k=SEEDED)]
    return found


def limits() -> dict[str, float]:
    """What each parameter that is a number may be at most."""
    return {name: it.largest for name, it in PARAMETERS.items() if it.largest is not None}


def _case(operation: str, params: Params, src: str = PHOTO, version: str | None = None) -> Case:
    case = {"src": src, "operation": operation, "params": params}
    if version is not None:
        case["version"] = version
    return {**case, "url": canonical(operation, src, params, version)}


def _drawn(drawing: random.Random, operation: str) -> Params:
    if operation == "pipeline":
        names = sorted(OPERATIONS.keys() - {"info", "pipeline"})
        return {"operations": [_drawn_step(drawing, name) for name in drawing.choices(names, k=3)]}
    spec = OPERATIONS[operation]
    wanted = {name for alternatives in spec.needs for name in alternatives}
    spare = sorted(spec.reads - wanted - _NOT_TYPED)
    params: Params = {}
    for name in drawing.sample(spare, min(len(spare), drawing.randrange(6))):
        params[name] = _value(drawing, name)
    for name in sorted(wanted):
        params[name] = _value(drawing, name) or 1
    if operation == "zoom":
        params |= drawing.choice([{"left": 7, "areaheight": 9}, {"top": 3, "areawidth": 4}])
    params |= drawing.choice(_crops(operation))
    return dict(drawing.sample(sorted(params.items()), len(params)))


def _crops(operation: str) -> list[Params]:
    if "nocrop" not in OPERATIONS[operation].reads:
        return [{}]
    return [{}, {"nocrop": operation not in {"resize", "zoom"}}]


def _drawn_step(drawing: random.Random, operation: str) -> Params:
    params = _drawn(drawing, operation)
    if params.get("type") == "auto":
        params["type"] = "webp"
    name = "watermarkImage" if operation == "watermarkimage" else operation
    step: Params = {"operation": name, **({"params": params} if params else {})}
    return {**step, "ignore_failure": True} if drawing.random() < 0.2 else step


def _value(drawing: random.Random, name: str) -> Any:
    if name in _NAMED:
        return drawing.choice(_NAMED[name])
    default = PARAMETERS[name].default
    if isinstance(default, bool):
        return drawing.choice([True, False])
    if isinstance(default, float):
        return drawing.choice([0, 0.5, 2.0, 12.75, 1000])
    return drawing.choice([0, 1, 640, 65535])


def lines(items: Iterator[Any] | list[Any]) -> str:
    """A JSON array with one item a line, so that a change shows as a line."""
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]\n"


if __name__ == "__main__":
    (GOLDEN / "urls.json").write_text(lines(cases()))
    (GOLDEN / "limits.json").write_text(json.dumps(limits(), indent=1) + "\n")
    (GOLDEN / "ladder.json").write_text(json.dumps(LADDER) + "\n")
