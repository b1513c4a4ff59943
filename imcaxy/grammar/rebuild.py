"""From the canonical request back to a query string."""

from urllib.parse import quote

from imcaxy.grammar.image_request import ImageRequest, Value

UNESCAPED = "!'()*"  # beyond what urllib leaves; RFC 3986 §2.2 gives them no meaning in a query


def to_query(request: ImageRequest) -> str:
    """The request's parameters as an Imaginary query, without its source.

    Nothing that the client wrote is in it: it is built from the canonical values alone. Go and
    `parse_image_request` read the same values back. Escapes and numbers are those of a browser's
    encodeURIComponent and String, so that react-client writes the same text.
    """
    return "&".join(
        f"{name}={quote(_text(value), safe=UNESCAPED)}" for name, value in request.parameters
    )


def to_route(request: ImageRequest) -> str:
    """The request as operation and query, source included: what a page could ask again."""
    source = f"{request.source.kind}={quote(request.source.value, safe='')}"
    return f"{request.operation}?" + "&".join(filter(None, (source, to_query(request))))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
