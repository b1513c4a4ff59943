"""From an operation's name and an undecoded query string to the canonical image request."""

from collections.abc import Mapping
from dataclasses import dataclass

from imcaxy.errors import MalformedParameter, MissingParameter
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.operations import canonical_parameters, find_operation, require_parameters
from imcaxy.grammar.parameters import read_parameters
from imcaxy.grammar.pipeline import decode_operations, format_steps, parse_steps
from imcaxy.grammar.query import parse_query
from imcaxy.grammar.source import Source, parse_source_file, parse_source_url
from imcaxy.grammar.text import legible


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a client asked for; `version` is its `v`, which is not part of the cache key."""

    request: ImageRequest
    version: str | None


def parse_image_request(operation: str, raw_query: str, body: Source | None = None) -> Parsed:
    """The canonical request, whose `type` may still be "auto" (see negotiation).

    Every known parameter is read, needed or not; a malformed one is an error before any key
    exists. Unknown names are ignored. A `body` that was sent along is the source, whatever else
    is named.

    Raises OperationUnknown, MalformedParameter, MissingParameter, FormatUnsupported,
    SourceMalformed, SourceRefused.
    """
    find_operation(operation)
    texts = parse_query(raw_query)
    source = body or _source(texts)
    values = read_parameters(texts)
    require_parameters(operation, values)
    values, overlays = _with_overlays(operation, values)
    request = ImageRequest(operation, canonical_parameters(operation, values), source, overlays)
    return Parsed(request, legible(texts["v"]) if texts.get("v") else None)


def _source(texts: Mapping[str, str]) -> Source:
    url, file = texts.get("url"), texts.get("file")
    if url and file:
        raise MalformedParameter(
            "The parameters url and file name two sources.",
            value=legible(file),
            accepted="either url or file",
        )
    if url:
        return parse_source_url(url)
    if file:
        return parse_source_file(file)
    raise MissingParameter("The request names no source.", accepted="the parameter url or file")


def _with_overlays(
    operation: str, values: Mapping[str, Value]
) -> tuple[dict[str, Value], tuple[Source, ...]]:
    """The values with overlay URLs and a pipeline's JSON in canonical form, and the overlays."""
    text = str(values.get("operations", ""))
    if operation == "pipeline":
        steps = parse_steps(text)
        overlays = tuple(step.overlay for step in steps if step.overlay)
        return {**values, "operations": format_steps(steps)}, overlays
    decode_operations(text)
    if operation == "watermarkimage":
        overlay = parse_source_url(str(values["image"]))
        return {**values, "image": overlay.value}, (overlay,)
    return dict(values), ()
