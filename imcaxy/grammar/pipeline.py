"""The operations of a pipeline: JSON in, one canonical JSON text out.

Numbers in JSON are truncated and keep their sign, strings follow the rules of the query; both are
Imaginary's. Where Imaginary lets a member occur twice, this does not: which one counts is a trap.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imcaxy.errors import FormatUnsupported, MalformedParameter, MissingParameter
from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.operations import (
    OPERATIONS,
    Parameters,
    canonical_parameters,
    require_parameters,
)
from imcaxy.grammar.parameters import FORMATS, PARAMETERS, Parameter
from imcaxy.grammar.source import Source, parse_source_url
from imcaxy.grammar.text import legible

MOST_STEPS = 10

_JSON_SPACE = " \t\r\n"
_SPELLED = {name: name for name in OPERATIONS if name not in {"info", "pipeline"}}
_SPELLED["watermarkImage"] = _SPELLED.pop("watermarkimage")
_SPELLING = {name: spelled for spelled, name in _SPELLED.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a pipeline; `operation` is the endpoint's name, `parameters` canonical."""

    operation: str
    parameters: Parameters
    ignore_failure: bool = False

    @property
    def overlay(self) -> Source | None:
        """The source that the step draws on the picture."""
        image = dict(self.parameters).get("image")
        return parse_source_url(image) if isinstance(image, str) else None


def parse_steps(text: str) -> tuple[Step, ...]:
    """The steps that the value of `operations` names.

    Raises MissingParameter when there are none or one lacks what it needs (`ignore_failure` does
    not excuse what can never work), MalformedParameter, FormatUnsupported, and the errors of
    `parse_source_url` for an overlay.
    """
    raw = decode_operations(text)
    if not raw:
        raise MissingParameter("A pipeline needs operations.", accepted="a JSON array")
    if len(raw) > MOST_STEPS:
        raise _malformed("has too many operations", text, f"at most {MOST_STEPS}")
    return tuple(_step(number, members) for number, members in enumerate(raw, 1))


def format_steps(steps: tuple[Step, ...]) -> str:
    """The canonical JSON of the steps: equal steps, equal text; `parse_steps` reads it back."""
    return json.dumps(
        [_members(step) for step in steps],
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )


def request_steps(request: ImageRequest) -> tuple[Step, ...]:
    """The steps of a request: those of a pipeline, else its one operation."""
    operations = request.options.get("operations")
    if request.operation == "pipeline" and isinstance(operations, str):
        return parse_steps(operations)
    return (Step(request.operation, request.parameters),)


def named_formats(steps: Iterable[Step]) -> frozenset[str]:
    """Every format that one of the steps names, so that a processor's lack shows early."""
    named = (dict(step.parameters).get("type") for step in steps)
    return frozenset(name for name in named if isinstance(name, str) and name in FORMATS)


def decode_operations(text: str) -> list[dict[str, Any]]:
    """The members of each operation by lower-case name, of the right JSON types, not yet read.

    Fewer than two characters, `null` and `[]` are no operations; text after the array is ignored.
    Raises MalformedParameter.
    """
    if len(text) < 2:
        return []
    try:
        value, _ = _DECODER.raw_decode(text.lstrip(_JSON_SPACE))
    except (ValueError, RecursionError) as error:
        cause = error.msg if isinstance(error, json.JSONDecodeError) else "it is too involved"
        raise _malformed(f"is not JSON: {cause}", text, "a JSON array") from None
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed("is not an array", text, "a JSON array")
    return [_shape(item, text) for item in value]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise json.JSONDecodeError("a member occurs twice", "", 0)
    return found


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise json.JSONDecodeError("a number is out of range", "", 0)
    return number


def _constant(text: str) -> float:
    raise json.JSONDecodeError(f"{text} is no number", "", 0)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_number, parse_float=_number, parse_constant=_constant
)
_TYPES = "operation: text, params: an object, ignore_failure: true or false"
_MEMBERS: Mapping[str, type] = {"operation": str, "ignore_failure": bool, "params": dict}


def _shape(item: object, text: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _malformed("holds what is not an object", text, "an array of objects")
    members: dict[str, Any] = {}
    for name, value in item.items():
        folded = name.casefold()
        wanted = _MEMBERS.get(folded)
        if wanted is None or folded in members:
            raise _malformed(f"has an unknown or repeated member {legible(name)}", text, _TYPES)
        if value is not None and not isinstance(value, wanted):
            raise _malformed(f"has a {folded} of the wrong JSON type", text, _TYPES)
        members[folded] = value
    return members


def _step(number: int, members: Mapping[str, Any]) -> Step:
    spelled = members.get("operation") or ""
    operation = _SPELLED.get(spelled)
    if operation is None:
        raise _malformed("has an unknown operation", spelled, ", ".join(sorted(_SPELLED)))
    values: dict[str, Value] = {}
    for name, given in (members.get("params") or {}).items():
        if name not in PARAMETERS:
            continue
        value = _read(f"{name} of operation {number} ({operation})", name, given)
        if value is not None:
            values[name] = value
    _settle_type(operation, values)
    require_parameters(operation, values)
    if operation == "watermarkimage":
        values["image"] = parse_source_url(str(values["image"])).value
    return Step(
        operation,
        canonical_parameters(operation, values),
        bool(members.get("ignore_failure")),
    )


def _read(label: str, name: str, given: object) -> Value | None:
    parameter = PARAMETERS[name]
    try:
        return _value(parameter, given)
    except FormatUnsupported:
        return str(given)  # whether that matters depends on the operation
    except ValueError as error:
        raise MalformedParameter(
            f"The parameter {label} cannot be read: {error}.",
            value=legible(given if isinstance(given, str) else json.dumps(given)),
            accepted=parameter.accepted,
        ) from None


def _value(parameter: Parameter, given: object) -> Value | None:
    match given:
        case str():
            return parameter.read(given)
        case bool() if isinstance(parameter.default, bool):
            return given
        case float() if parameter.number is not None:
            return parameter.number(given)
    raise ValueError("wrong JSON type")


def _settle_type(operation: str, values: dict[str, Value]) -> None:
    """Drops a type that is not known, as Imaginary does, except where it is all that is asked."""
    name = values.get("type")
    if isinstance(name, str) and name not in FORMATS:
        if operation == "convert":
            raise FormatUnsupported(value=legible(name), accepted=", ".join(FORMATS))
        del values["type"]


def _members(step: Step) -> dict[str, Any]:
    members: dict[str, Any] = {"operation": _SPELLING[step.operation]}
    if step.parameters:
        members["params"] = {name: _member(value) for name, value in step.parameters}
    if step.ignore_failure:
        members["ignore_failure"] = True
    return members


def _member(value: Value) -> Value:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    # As browsers write it: 2, not 2.0.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _malformed(cause: str, value: str, accepted: str) -> MalformedParameter:
    return MalformedParameter(
        f"The parameter operations {cause}.", value=legible(value), accepted=accepted
    )
