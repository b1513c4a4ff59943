"""The settings as the environment and the command line give them. Nothing else reads either."""

import difflib
import os
import re
from dataclasses import Field as Declared
from dataclasses import fields
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ByteSize, Field, SecretStr, ValidationError, create_model
from pydantic_settings import NoDecode

from imcaxy.errors import SettingsError
from imcaxy.settings import Settings
from imcaxy.settings_rules import Rules
from imcaxy.settings_text import CI_TOOL, PREFIX, problem, variable, written
from imcaxy.settings_values import Secret, Size

NEVER_EMPTY = ("allowed_domains", "allowed_origins")  # an empty list must not come to mean "all"
DECLARED = {each.name: each for each in fields(Settings)}


class Shown(NamedTuple):
    """One setting as an operator reads it."""

    variable: str
    value: str
    origin: Literal["default", "environment", "flag"]


def load(**flags: object) -> Settings:
    """The settings of the environment, `flags` (of the command line; None is not given) before it.

    Raises SettingsError that lists every mistake: the variable, its value and what is accepted.
    """
    mistakes = _strangers() + _emptied()
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    try:
        read = _READER(**given)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0])
            asked = f"--{name}" if name in given else variable(name)
            text = problem(item["type"], item["msg"], item.get("ctx", {}))
            mistakes.append(_mistake(asked, name, text, item["input"]))
    else:
        if not mistakes:
            return Settings(**{name: _plain(getattr(read, name)) for name in DECLARED})
    raise SettingsError("\n".join(mistakes))


def shown(settings: Settings, **flags: object) -> list[Shown]:
    """Every setting with its value and where that came from, in the order of the class."""
    set_here = {name.upper() for name, value in os.environ.items() if value}
    rows = []
    for name in DECLARED:
        origin: Literal["default", "environment", "flag"] = "default"
        if flags.get(name) is not None:
            origin = "flag"
        elif variable(name) in set_here:
            origin = "environment"
        rows.append(Shown(variable(name), written(getattr(settings, name)), origin))
    return rows


def _reader() -> type[Rules]:
    """What reads each declared field, by its own type and bounds and by the rules."""
    columns: dict[str, Any] = {name: _column(declared) for name, declared in DECLARED.items()}
    return create_model("Reader", __base__=Rules, **columns)


def _column(declared: Declared[Any]) -> tuple[object, object]:
    own: dict[Any, Any] = {Size: ByteSize, Secret: SecretStr}
    kind = own.get(declared.type, declared.type)
    if isinstance(declared.default, tuple):
        kind = Annotated[kind, NoDecode]  # a list is separated by commas
    default = declared.default
    if isinstance(default, Secret):
        default = default.reveal()
    return kind, Field(default, **declared.metadata["bounds"])


def _plain(value: object) -> Any:
    match value:
        case ByteSize():
            return Size(value)
        case SecretStr():
            return Secret(value.get_secret_value())
        case _:
            return value


_READER = _reader()


def _strangers() -> list[str]:
    known = [name.upper() for name in DECLARED]
    mistakes = []
    for name in sorted(os.environ):
        ours = name.upper().startswith(PREFIX) and not name.upper().startswith(CI_TOOL)
        if ours and name.upper().removeprefix(PREFIX) not in known:
            meant = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
            hint = f"; did you mean {PREFIX}{meant[0]}?" if meant else ""
            mistakes.append(f"{name}: there is no such setting{hint}")
    return mistakes


def _emptied() -> list[str]:
    upper = {name.upper(): value for name, value in os.environ.items()}
    return [
        f"{variable(name)}: set to nothing; leave it out, or write * for every host"
        for name in NEVER_EMPTY
        if upper.get(variable(name)) == ""
    ]


def _mistake(asked: str, name: str, text: str, value: object) -> str:
    declared = DECLARED.get(name)
    if declared is not None and declared.type is Secret:
        value = Secret(str(value))
    told = re.sub(r"//[^/@]*@", "//***@", written(value))  # a password in an address
    accepted = declared.metadata["description"] if declared else ""
    separator = " " if asked.startswith("--") else "="
    return f"{asked}{separator}{told}: {text}. {accepted}".rstrip()
