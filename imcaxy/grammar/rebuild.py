"""From the canonical request back to a query string."""

from urllib.parse import quote

from imcaxy.grammar.image_request import ImageRequest, Value


def to_query(request: ImageRequest) -> str:
    """The request's parameters as an Imaginary query, without its source.

    Nothing that the client wrote is in it: it is built from the canonical values alone. Go and
    `parse_image_request` read the same values back (RFC 3986 escapes, UTF-8, space as `%20`).
    """
    return "&".join(
        f"{quote(name, safe='')}={quote(_text(value), safe='')}"
        for name, value in request.parameters
    )


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
