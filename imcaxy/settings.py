"""Every IMCAXY_* setting: type, unit, default. The one place that reads the environment."""

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from imcaxy.errors import SettingsError
from imcaxy.machine import process_name
from imcaxy.nameserver import parse_nameserver
from imcaxy.settings_stack import Names, StackSettings
from imcaxy.settings_text import (
    CI_TOOL,
    MIB,
    PREFIX,
    problem,
    variable,
    written,
)

FORMATS = ("avif", "webp", "png")  # jpeg is not one: it would flatten pictures with alpha
LISTS = (
    *("allowed_domains", "allowed_origins", "allowed_networks", "nameservers", "auto_formats"),
    "widths",
)
# The widths that the components of react-client ask for (react-client/golden/ladder.json).
LADDER = (
    *(64, 96, 128, 160, 192, 256, 320, 384, 480, 640, 750, 828, 960, 1080),
    *(1280, 1536, 1920, 2560, 3200, 3840),
)
MOST_TOKENS = 2  # the old and the new
NEVER_EMPTY = ("allowed_domains", "allowed_origins")  # an empty list must not come to mean "all"

Widths = Annotated[tuple[int, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Bytes = Annotated[ByteSize, Field(ge=MIB)]


class Settings(StackSettings):
    """The settings of one server, validated together; every mistake is reported at once.

    A variable that is set to nothing counts as not set.
    """

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(
        8080, ge=0, le=65535, description="TCP port to listen on; 0 lets the system choose."
    )
    workers: int = Field(
        1, ge=1, le=64, description="Server processes that share the port and the limits."
    )
    data_dir: Path = Field(
        Path("data"),
        description="Directory of the catalog and the kept pictures, unless MongoDB and a bucket "
        "keep them; a local file system.",
    )
    source_dir: Path | None = Field(
        None, description="Directory whose files `file=` may name; unset turns `file=` off."
    )
    dev: bool = Field(
        False, description="Allow sources on private and loopback addresses. Never in public."
    )

    allowed_domains: Names = Field(
        ("*",),
        description="Hosts that sources may come from, comma separated; `*.example.com` too.",
    )
    allowed_origins: Names = Field(
        ("*",),
        description="Hosts of pages that may use this server; a request without Origin passes.",
    )
    allowed_networks: Names = Field(
        (), description="Networks (CIDR) that sources may lie in beyond public addresses."
    )
    nameservers: Names = Field(
        (),
        description="DNS servers (address or address:port) for sources; unset uses the system's.",
    )

    allow_post: bool = Field(
        False, description="Take pictures in the body of POST, as Imaginary; nothing is kept."
    )
    url_signature_key: SecretStr = Field(
        SecretStr(""),
        description="Key of signed URLs (`sign=`), 32 characters or more; unset asks for none.",
    )

    invalidate_security_token: SecretStr = Field(
        SecretStr(""),
        description="Token that opens invalidation; two, comma separated, while one is replaced.",
    )
    instance: str = Field(
        "", max_length=100, description="Name of this machine to operators; unset is its host name."
    )
    purge_timeout: Seconds = Field(
        5.0, description="Seconds that an invalidation waits for instances; then it answers 202."
    )
    offline_grace: float = Field(
        300.0,
        ge=5,
        le=86_400,
        description="Seconds that kept pictures are served while the log cannot be read.",
    )

    max_entry_age: float = Field(
        0, ge=0, le=315_360_000, description="Seconds that a kept picture is served; 0 is for ever."
    )
    revalidate_after: float = Field(
        0,
        ge=0,
        le=31_536_000,
        description="Seconds after which a source's server is asked for changes; 0 is never.",
    )

    keep: bool = Field(
        True,
        description="Keep finished pictures; false makes each anew, for all who ask meanwhile.",
    )
    memory_limit: Bytes = Field(
        ByteSize(256 * MIB), description="Bytes of kept pictures held in memory, per machine."
    )
    fast_lane: bool = Field(
        True,
        description="Answer ordinary requests for pictures in memory at once, before parsing them.",
    )
    disk_limit: Bytes = Field(
        ByteSize(10240 * MIB),
        description="Bytes of pictures on disk or in the bucket; past it those worth least go.",
    )
    scrub_rate: ByteSize = Field(
        ByteSize(4 * MIB),
        ge=0,
        description="Bytes of kept files verified per second in the background; 0 is off.",
    )
    stream_limit: Bytes = Field(
        ByteSize(256 * MIB),
        description="Bytes of pictures being made, per machine; past it misses get 503.",
    )
    download_limit: Bytes = Field(
        ByteSize(256 * MIB),
        description="Bytes of sources held while pictures are made, per machine.",
    )
    max_variant_bytes: Bytes = Field(
        ByteSize(64 * MIB), description="Bytes of one made picture; a larger one is refused."
    )
    max_source_bytes: Bytes = Field(
        ByteSize(32 * MIB), description="Bytes of one source; a larger one is refused."
    )
    max_pixels: int = Field(
        50_000_000,
        ge=1,
        le=1_000_000_000,
        description="Pixels (width times height) of one source or picture.",
    )
    max_frames: int = Field(256, ge=1, le=10_000, description="Frames of one animated source.")

    processes: int = Field(
        0,
        ge=0,
        le=256,
        description="Pictures made at the same time, per machine; 0 is one per core.",
    )
    making_limit: ByteSize = Field(
        ByteSize(0),
        ge=0,
        description="Bytes that pictures may take while made, per machine; 0 is half its memory.",
    )
    process_memory: Bytes = Field(
        ByteSize(1024 * MIB),
        description="Bytes of address space of one process that makes pictures.",
    )
    process_timeout: Seconds = Field(20.0, description="Seconds that making one picture may take.")
    fetch_timeout: Seconds = Field(15.0, description="Seconds that fetching one source may take.")
    request_timeout: Seconds = Field(
        60.0, description="Seconds that a request waits for the first byte of its picture."
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Open connections of clients, per machine; one more replaces an idle one.",
    )
    client_timeout: Seconds = Field(
        30.0, description="Seconds in which a client must take the next 64 KiB, or is cut."
    )
    queue_limit: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Jobs that may wait or run, per machine; past it misses get 503.",
    )
    queue_timeout: Seconds = Field(30.0, description="Seconds that a job waits for its turn.")
    store_timeout: Seconds = Field(
        2.0, description="Seconds until a store that does not answer is left out of a request."
    )
    drain_timeout: Seconds = Field(
        30.0, description="Seconds that running responses and jobs have to end at a stop."
    )

    auto_formats: Names = Field(
        ("webp",), description="Formats for `type=auto`, best first: avif, webp, png."
    )
    save_data_quality_step: int = Field(
        0,
        ge=0,
        le=60,
        description="Points taken off the quality when `Save-Data: on` is sent; 0 is off.",
    )
    width_rule: Literal["off", "snap", "strict"] = Field(
        "off",
        description="What a `width` off the list meets: `snap` rounds it up, `strict` refuses it.",
    )
    widths: Widths = Field(
        LADDER, description="Allowed widths in pixels, rising; those of `@imcaxy/react`."
    )
    max_age: int = Field(
        300, ge=0, le=31_536_000, description="Seconds that browsers keep a picture (max-age)."
    )
    shared_max_age: int | None = Field(
        None,
        ge=0,
        le=31_536_000,
        description="Seconds that CDNs keep a picture (s-maxage); unset sends none.",
    )
    stale_while_revalidate: int = Field(
        86400,
        ge=0,
        le=31_536_000,
        description="Seconds that a client may show a picture while it asks again.",
    )
    remember_failures: float = Field(
        1.0,
        ge=0,
        le=100,
        description="Factor on the seconds that failed pictures are remembered; 0 tries each anew.",
    )
    fallback: Literal["none", "source"] = Field(
        "none",
        description="What an `<img>` gets when no picture can be made: an error, or the source.",
    )

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_domains", "allowed_origins")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("no host is named; write * for every host")
        for item in value:
            if "/" in item or " " in item:
                message = f"{item!r} is not a host: leave scheme and path out"
                raise ValueError(message)
        return value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item)
        return value

    @field_validator("nameservers")
    @classmethod
    def _nameservers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            parse_nameserver(item)
        return value

    @field_validator("auto_formats")
    @classmethod
    def _formats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item not in FORMATS:
                message = f"{item!r} is not one of {', '.join(FORMATS)}"
                raise ValueError(message)
        return value

    @field_validator("widths")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or value[0] < 1 or value[-1] > 65535 or list(value) != sorted(set(value)):
            raise ValueError("must be whole numbers from 1 to 65535 in rising order")
        return value

    @field_validator("source_dir")
    @classmethod
    def _directory(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("there is no such directory")
        return value

    @field_validator("invalidate_security_token")
    @classmethod
    def _tokens(cls, value: SecretStr) -> SecretStr:
        tokens = [token.strip() for token in value.get_secret_value().split(",")]
        if any(not re.fullmatch(r"[!-+\--~]*", token) for token in tokens):
            raise ValueError("a token holds a space or a letter outside ASCII")
        if len(tokens) > MOST_TOKENS:
            message = f"{len(tokens)} tokens are named, and at most {MOST_TOKENS} can live at once"
            raise ValueError(message)
        return value

    @field_validator("url_signature_key")
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("shorter than 32 characters")
        return value

    @field_validator("max_variant_bytes", "max_source_bytes")
    @classmethod
    def _fits(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        whole = "stream_limit" if info.field_name == "max_variant_bytes" else "download_limit"
        limit = info.data.get(whole)  # absent when it is itself a mistake, reported on its own
        if limit is not None and value > limit:
            message = f"larger than {variable(whole)} ({written(limit)})"
            raise ValueError(message)
        return value

    @property
    def running(self) -> int:
        """Pictures made at the same time on this machine."""
        return self.processes or os.cpu_count() or 1

    @property
    def instance_name(self) -> str:
        """The name under which this process appears to operators."""
        return process_name(self.instance)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that open invalidation; none closes it."""
        text = self.invalidate_security_token.get_secret_value()
        return tuple(token.strip() for token in text.split(",") if token.strip())


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
        settings = Settings(**given)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0])
            asked = f"--{name}" if name in given else variable(name)
            text = problem(item["type"], item["msg"], item.get("ctx", {}))
            mistakes.append(_mistake(asked, name, text, item["input"]))
    else:
        if not mistakes:
            return settings
    raise SettingsError("\n".join(mistakes))


def shown(settings: Settings, **flags: object) -> list[Shown]:
    """Every setting with its value and where that came from, in the order of the class."""
    rows = []
    for name in Settings.model_fields:
        origin: Literal["default", "environment", "flag"] = "default"
        if flags.get(name) is not None:
            origin = "flag"
        elif name in settings.model_fields_set:
            origin = "environment"
        rows.append(Shown(variable(name), written(getattr(settings, name)), origin))
    return rows


def environment(**flags: object) -> dict[str, str]:
    """The environment in which another process of this program finds the same settings."""
    given = {variable(name): written(value) for name, value in flags.items() if value is not None}
    return dict(os.environ) | given


def _strangers() -> list[str]:
    known = [name.upper() for name in Settings.model_fields]
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
    field = Settings.model_fields.get(name)
    if field is not None and field.annotation is SecretStr and isinstance(value, str):
        value = SecretStr(value)
    told = re.sub(r"//[^/@]*@", "//***@", written(value))  # a password in an address
    accepted = (field.description or "") if field else ""
    separator = " " if asked.startswith("--") else "="
    return f"{asked}{separator}{told}: {text}. {accepted}".rstrip()
