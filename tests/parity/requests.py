"""Random requests over all operations and parameters, the same ones for the same seed."""

import json
import random
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from tests.parity.sources import OVERLAYS, originals

OPERATIONS = (
    "info", "crop", "smartcrop", "resize", "enlarge", "extract", "zoom", "thumbnail", "fit",
    "rotate", "autorotate", "flip", "flop", "convert", "pipeline", "watermark", "watermarkimage",
    "blur",
)  # fmt: skip
ACCEPTS = ("image/webp,*/*", "image/png,image/jpeg;q=0.5", "*/*", "image/avif,image/webp")

Parameters = dict[str, str]
_NEEDED = {
    "crop": ("width", "height"), "smartcrop": ("width", "height"),
    "enlarge": ("width", "height"), "fit": ("width", "height"),
    "resize": ("width",), "thumbnail": ("width",), "extract": ("areawidth", "areaheight"),
    "zoom": ("factor",), "rotate": ("rotate",), "convert": ("type",), "blur": ("sigma",),
    "watermark": ("text",), "watermarkimage": ("image",),
}  # fmt: skip
_EXTRA = {
    "extract": ("top", "left"), "zoom": ("top", "left", "areawidth", "areaheight"),
    "watermark": ("margin", "dpi", "textwidth", "opacity", "noreplicate", "color", "font"),
    "watermarkimage": ("top", "left", "opacity"), "resize": ("nocrop", "height"),
    "enlarge": ("nocrop",), "thumbnail": ("height",),
}  # fmt: skip
_COMMON = (
    "width", "height", "type", "type", "quality", "compression", "palette", "speed", "interlace",
    "stripmeta", "noprofile", "norotation", "rotate", "flip", "flop", "force", "embed", "extend",
    "background", "gravity", "colorspace", "aspectratio", "sigma", "minampl", "nocrop",
)  # fmt: skip
_FLAGS = frozenset({
    "palette", "interlace", "stripmeta", "noprofile", "norotation", "flip", "flop", "force",
    "embed", "nocrop", "noreplicate",
})  # fmt: skip
_CHOICES: dict[str, tuple[str, ...]] = {
    "type": ("jpeg", "png", "webp", "tiff", "PNG", "auto", "jpeg", "webp", "gif", "jpg", "bogus"),
    "quality": ("30", "60", "75", "80", "92", "100", "0", "140", "70000"),
    "compression": ("1", "5", "9", "0", "12"),
    "speed": ("0", "3", "8"),
    "rotate": ("90", "180", "270", "45", "360", "-90", "0", "99999"),
    "extend": ("black", "copy", "mirror", "white", "background", "lastpixel", "nonsense"),
    "background": ("255,0,0", "10,200,30", "0,0,0", "300,-1,x", "128,128,128"),
    "gravity": ("north", "south", "east", "west", "smart", "centre", "center", " North "),
    "colorspace": ("bw", "srgb", "lab"),
    "aspectratio": ("16:9", "1:1", "3:4", "400:300", "16"),
    "sigma": ("0.5", "2", "7.5", "0", "-3"),
    "minampl": ("0.2", "5"),
    "factor": ("1", "2", "3"),
    "text": ("Hello", "Imcaxy & co", "<b>bold</b> mark", "zwei\nZeilen", "żółw"),
    "font": ("sans 12", "sans bold 20", "serif 9"),
    "margin": ("90", "120", "200", "10"),
    "dpi": ("72", "150", "300"),
    "textwidth": ("60", "150", "400"),
    "opacity": ("0.2", "0.6", "1", "3", "0"),
    "color": ("255,255,255", "200,30,60", "12"),
    "operations": ("[]", "{", "[{\"operation\":\"shrink\"}]"),
}  # fmt: skip
_MALFORMED = ("abc", "12px", " 7", "1e400", "yes", "")
_SPELLED = {"watermarkimage": "watermarkImage"}


@dataclass(frozen=True, slots=True)
class Request:
    """One question: `image` in the parameters names an overlay, not yet its URL."""

    number: int
    operation: str
    source: str
    parameters: tuple[tuple[str, str], ...]
    accept: str | None

    def options(self) -> Parameters:
        """The parameters by name."""
        return dict(self.parameters)

    def steps(self) -> list[tuple[str, Parameters]]:
        """The operations that it comes to, with the parameters of each as text."""
        if self.operation != "pipeline":
            return [(self.operation, self.options())]
        try:
            listed = json.loads(self.options().get("operations", "[]"))
        except ValueError:
            return []
        if not isinstance(listed, list):
            return []
        return [
            (str(item["operation"]).lower(), {k: str(v) for k, v in item.get("params", {}).items()})
            for item in listed
        ]

    def query(self, origin: str) -> str:
        """The query, with every source and overlay at that origin."""
        values = []
        for name, value in self.parameters:
            text = f"{origin}/{value}" if name == "image" and value else value
            values.append((name, text.replace("ORIGIN", origin)))
        return urlencode([*values, ("url", f"{origin}/{self.source}")], quote_via=quote)

    def __str__(self) -> str:
        shown = "&".join(f"{name}={value}" for name, value in self.parameters)
        return f"#{self.number} {self.operation} {self.source} {shown} accept={self.accept}"


def requests(count: int, seed: int) -> list[Request]:
    """`count` requests; a longer list begins with a shorter one of the same seed."""
    rng = random.Random(seed)
    names = originals()
    return [_request(number, rng, names) for number in range(count)]


def _request(number: int, rng: random.Random, names: tuple[str, ...]) -> Request:
    operation = rng.choice(OPERATIONS)
    if rng.random() < 0.01:
        operation = "shrink"  # there is no such operation
    parameters = _pipeline(rng) if operation == "pipeline" else _parameters(rng, operation)
    shuffled = list(parameters.items())
    rng.shuffle(shuffled)
    accept = rng.choice(ACCEPTS) if rng.random() < 0.5 else None
    source = "absent" if rng.random() < 0.01 else rng.choice(names)
    return Request(number, operation, source, tuple(shuffled), accept)


def _parameters(rng: random.Random, operation: str) -> Parameters:
    wanted = [name for name in _NEEDED.get(operation, ()) if rng.random() < 0.96]
    wanted += [name for name in _EXTRA.get(operation, ()) if rng.random() < 0.5]
    wanted += rng.sample(_COMMON, k=rng.choice((0, 0, 1, 1, 2, 3, 5)))
    values = {name: _value(rng, name) for name in dict.fromkeys(wanted)}
    if values and rng.random() < 0.03:
        values[rng.choice(list(values))] = rng.choice(_MALFORMED)
    return values


def _pipeline(rng: random.Random) -> Parameters:
    if rng.random() < 0.04:
        return {"operations": rng.choice(_CHOICES["operations"])}
    steps = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        name = rng.choice([each for each in OPERATIONS if each not in ("info", "pipeline")])
        params = {key: _typed(rng, key, text) for key, text in _parameters(rng, name).items()}
        step: dict[str, object] = {"operation": _SPELLED.get(name, name), "params": params}
        if rng.random() < 0.1:
            step["ignore_failure"] = True
        steps.append(step)
    return {"operations": json.dumps(steps)}


def _typed(rng: random.Random, name: str, text: str) -> object:
    """A parameter as a pipeline's JSON has it: often a number or a flag, else text."""
    if name == "image":
        return f"ORIGIN/{text}"
    if name in _FLAGS and text in ("true", "false"):
        return text == "true" if rng.random() < 0.6 else text
    try:
        number = float(text)
    except ValueError:
        return text
    plain = text.lstrip("-").isdigit() or "." in text
    return number if plain and rng.random() < 0.6 else text


def _value(rng: random.Random, name: str) -> str:
    if name in _FLAGS:
        return rng.choice(("true", "true", "false", "1", "0"))
    if name == "image":
        return rng.choice(OVERLAYS[:3] if rng.random() < 0.9 else OVERLAYS)
    if name in _CHOICES:
        return rng.choice(_CHOICES[name])
    if name in ("top", "left"):
        return str(rng.choice((0, 5, 20, 60, 150)))
    if name in ("areawidth", "areaheight"):
        return str(rng.randint(1, 220))
    return str(rng.choice((rng.randint(1, 60), rng.randint(60, 400), rng.randint(300, 900), 99.5)))
