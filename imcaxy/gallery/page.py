"""The gallery as one HTML document that loads nothing but pictures."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from string import Template
from urllib.parse import quote

from imcaxy.gallery.photographs import Photograph


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to show a photograph."""

    title: str
    manner: str  # how the picture differs from the photograph, for its alternative text
    operation: str
    query: str


FIRST = Recipe("resize, type=auto", "", "resize", "width=480&type=auto")
OTHERS = (
    Recipe("crop, webp", "cropped to a square", "crop", "width=320&height=320&type=webp"),
    Recipe("fit, avif", "", "fit", "width=400&height=300&type=avif&quality=60"),
    Recipe("thumbnail, jpeg", "as a thumbnail", "thumbnail", "width=160&type=jpeg"),
    Recipe("rotate 90°, webp", "turned clockwise", "rotate", "rotate=90&height=360&type=webp"),
    Recipe("mirror, jpeg", "mirrored", "flip", "width=360&type=jpeg&quality=70"),
    Recipe("upside down, png", "upside down", "flop", "width=200&type=png"),
    Recipe("convert, webp", "", "convert", "type=webp&quality=80"),
)
EACH = 4  # pictures of one photograph: FIRST and the next three of OTHERS

EXAMPLE = (
    '<img src="/imaginary/resize?width=640&amp;type=auto&amp;url=https://example.com/photo.jpg"'
    ' alt="">'
)


@dataclass(frozen=True, slots=True)
class Document:
    """An HTML document and the policy that lets it do what it needs, and no more."""

    body: bytes
    policy: str  # value of Content-Security-Policy


def gallery(photographs: Sequence[Photograph] | None) -> Document:
    """The page for these photographs; None says how to name a directory of them."""
    if photographs is None:
        return _document(_note("No photographs yet", _HOW_TO_SET))
    if not photographs:
        return _document(_note("No photographs here", _HOW_TO_FILL))
    sections = [_section(photo, place) for place, photo in enumerate(photographs)]
    return _document("\n".join((_BAR, *sections)))


def recipes(place: int) -> tuple[Recipe, ...]:
    """The pictures of the photograph at this place on the page: neighbours show different ones."""
    first = place * (EACH - 1)
    return (FIRST, *(OTHERS[(first + step) % len(OTHERS)] for step in range(EACH - 1)))


_BAR = """<div class="bar">
<button id="again" type="button">Load again</button>
<p class="totals" id="totals" role="status">not loaded</p>
</div>
<noscript><p class="note">Without scripts this page cannot show what each response says. The
pictures themselves need none: follow a title.</p></noscript>"""

_HOW_TO_SET = f"""<p>Set <code>IMCAXY_SOURCE_DIR</code> to a directory of photographs and start
again:</p>
<pre>IMCAXY_SOURCE_DIR=samples imcaxy serve</pre>
<p>Pictures of other servers need no directory:</p>
<pre>{escape(EXAMPLE)}</pre>"""

_HOW_TO_FILL = """<p>The directory that <code>IMCAXY_SOURCE_DIR</code> names has no JPEG, PNG, WebP,
AVIF or GIF file. Put some there and load this page again.</p>"""


def _note(title: str, text: str) -> str:
    return f'<section class="note"><h2>{title}</h2>\n{text}\n</section>'


def _section(photo: Photograph, place: int) -> str:
    cards = "\n".join(_card(photo, recipe) for recipe in recipes(place))
    title = f"<h2>{escape(photo.name)}</h2>"
    return f'<section>\n{title}\n<div class="cards">\n{cards}\n</div>\n</section>'


def _card(photo: Photograph, recipe: Recipe) -> str:
    address = f"imaginary/{recipe.operation}?{recipe.query}&file={quote(photo.name, safe='')}"
    alt = f"{photo.caption}, {recipe.manner}" if recipe.manner else photo.caption
    return f"""<figure data-picture="{escape(address)}">
<div class="mat"><img alt="{escape(alt)}"></div>
<figcaption>
<div class="what"><a href="{escape(address)}">{recipe.title}</a>
<span class="badge">waiting</span></div>
<p class="facts"></p>
<code class="status"></code>
</figcaption>
</figure>"""


def _document(content: str) -> Document:
    template, style, script, policy = _parts()
    text = template.substitute(style=style, script=script, content=content)
    return Document(text.encode(), policy)


@cache
def _parts() -> tuple[Template, str, str, str]:
    folder = resources.files(__package__)
    markup, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src 'self' blob: data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return Template(markup), style, script, policy


def _hash(text: str) -> str:
    """The source expression that allows exactly this inline text (CSP Level 3 §2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
