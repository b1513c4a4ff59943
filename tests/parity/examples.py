"""Requests as Imaginary's own documents and its clients write them, and what they must give.

`SOURCE` stands for a source's address, as it is or percent-encoded (`ENCODED`). The source is a
JPEG of 640 x 427.
"""

from dataclasses import dataclass
from urllib.parse import quote

WIDTH, HEIGHT = 640, 427


@dataclass(frozen=True, slots=True)
class Example:
    """One request target without its server, and the picture that it must give."""

    target: str
    size: tuple[int, int]
    media_type: str = "image/jpeg"
    post: bool = False  # the source is sent along

    def at(self, source: str) -> str:
        """The target for a source at that address."""
        return self.target.replace("ENCODED", quote(source, safe="")).replace("SOURCE", source)


_PIPELINE = (
    '[{"operation": "crop", "params": {"width": 300, "height": 260}}, '
    '{"operation": "convert", "params": {"type": "webp"}}]'
)
_PREVIEW = (
    '[{"operation":"autorotate"},{"operation":"fit","params":{"width":256,"height":256,'
    '"stripmeta":"true","type":"jpeg","norotation":"true","quality":"80"}}]'
)
_FILL = (
    '[{"operation":"autorotate","params":{}},{"operation":"resize","params":{"width":200,'
    '"stripmeta":true,"quality":70}}]'
)

DOCUMENTED = tuple(  # README and the samples of /form
    Example(target, size, media_type)
    for target, size, media_type in (
        ("crop?width=500&height=400&url=SOURCE", (500, 400), "image/jpeg"),
        ("crop?width=500&height=200&gravity=smart&url=SOURCE", (500, 200), "image/jpeg"),
        ("resize?width=300&height=200&type=jpeg&url=SOURCE", (300, 200), "image/jpeg"),
        ("resize?width=300&height=200&force=true&url=SOURCE", (300, 200), "image/jpeg"),
        ("crop?width=300&quality=95&url=SOURCE", (300, 427), "image/jpeg"),
        ("crop?width=300&height=260&quality=95&gravity=smart&url=SOURCE", (300, 260), "image/jpeg"),
        (
            "extract?top=100&left=100&areawidth=300&areaheight=150&url=SOURCE",
            (300, 150),
            "image/jpeg",
        ),
        ("enlarge?width=1440&height=900&quality=95&url=SOURCE", (1440, 900), "image/jpeg"),
        ("rotate?rotate=180&url=SOURCE", (640, 427), "image/jpeg"),
        ("autorotate?quality=90&url=SOURCE", (640, 427), "image/jpeg"),
        ("flip?url=SOURCE", (640, 427), "image/jpeg"),
        ("flop?url=SOURCE", (640, 427), "image/jpeg"),
        ("thumbnail?width=100&url=SOURCE", (100, 67), "image/jpeg"),
        ("zoom?factor=2&areawidth=300&top=80&left=80&url=SOURCE", (300, 427), "image/jpeg"),
        ("resize?width=400&height=300&colorspace=bw&url=SOURCE", (400, 300), "image/jpeg"),
        (
            "watermark?textwidth=100&text=Hello&font=sans%2012&opacity=0.5&color=255,200,50"
            "&url=SOURCE",
            (640, 427),
            "image/jpeg",
        ),
        ("convert?type=png&url=SOURCE", (640, 427), "image/png"),
        ("blur?sigma=15.0&minampl=0.2&url=SOURCE", (640, 427), "image/jpeg"),
        (
            f"pipeline?operations={quote(_PIPELINE, safe=':,')}&url=SOURCE",
            (300, 260),
            "image/webp",
        ),
    )
)
CLIENTS = (
    # Pages that write the address of the source bare, at the end or in front.
    Example("resize?width=412&height=209.25&type=webp&url=SOURCE", (412, 209), "image/webp"),
    Example("resize?url=SOURCE&width=800&height=800&quality=80&extend=white", (640, 427)),
    # A CMS that encodes it and sorts by name.
    Example("resize?type=webp&url=ENCODED&width=1040", (640, 427), "image/webp"),
    # The client for Node: a query as of an HTML form.
    Example("rotate?rotate=180&url=ENCODED", (640, 427)),
    Example("zoom?factor=2&width=300&key=none&url=ENCODED", (300, 200)),
    # Clients for Node, Go and PHP that send the picture.
    Example("crop?width=200&height=200", (200, 200), post=True),
    Example(f"pipeline?operations={quote(_FILL)}", (200, 133), post=True),
    Example(f"pipeline?operations={quote(_PREVIEW)}&key=", (256, 171), post=True),
)
