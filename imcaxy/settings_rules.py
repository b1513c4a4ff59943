"""What a value must be beyond its type and bounds, alone and beside the others."""

import ipaddress
import re
from pathlib import Path

from pydantic import ByteSize, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from imcaxy.nameserver import parse_nameserver
from imcaxy.settings_text import PREFIX, variable, written
from imcaxy.settings_values import Size

FORMATS = ("avif", "webp", "png")  # jpeg is not one: it would flatten pictures with alpha
LISTS = (
    *("allowed_domains", "allowed_origins", "allowed_networks", "nameservers", "auto_formats"),
    "widths",
)
MOST_TOKENS = 2  # the old and the new


class StackRules(BaseSettings):
    """Of the parts that other servers play; `settings_reading` adds the fields of Settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        validate_default=True,  # a default can clash with another setting that was changed
    )

    @field_validator("imaginary_service_url", mode="before", check_fields=False)
    @classmethod
    def _services(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip().rstrip("/") for part in value.split(",")]
        return tuple(part if "://" in part else f"http://{part}" for part in parts if part)

    @field_validator("imaginary_service_url", check_fields=False)
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if not re.fullmatch(r"https?://[^/@?#\s]+(/[^?#\s]*)?", item):
                raise ValueError("not an http or https address, without user name and query")
        if len(set(value)) != len(value):
            raise ValueError("one server is named twice")
        return value

    @field_validator("mongo_connection_string", check_fields=False)
    @classmethod
    def _mongo(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if text and not re.fullmatch(r"mongodb(\+srv)?://[^\s/?#]+(/[^\s?#]*)?(\?\S*)?", text):
            raise ValueError("not a connection string such as mongodb://user:password@host/imcaxy")
        return SecretStr(text)

    @field_validator("minio_bucket", check_fields=False)
    @classmethod
    def _bucket(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
            raise ValueError("not a bucket's name: 3 to 63 of a-z, 0-9, hyphen and dot")
        return value

    @field_validator("minio_endpoint", check_fields=False)
    @classmethod
    def _endpoint(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", value, re.ASCII):
            raise ValueError("not host or host:port; whether TLS is used says IMCAXY_MINIO_SSL")
        needed = ("minio_access_key", "minio_secret_key", "mongo_connection_string")
        lacking = [variable(name) for name in needed if not info.data.get(name)]
        if lacking:
            message = (
                f"{' and '.join(lacking)} must be set too: a bucket needs its keys, and a catalog "
                "that all who use it share"
            )
            raise ValueError(message)
        return value


class Rules(StackRules):
    """Of the server itself."""

    @field_validator(*LISTS, mode="before", check_fields=False)
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_domains", "allowed_origins", check_fields=False)
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("no host is named; write * for every host")
        for item in value:
            if "/" in item or " " in item:
                message = f"{item!r} is not a host: leave scheme and path out"
                raise ValueError(message)
        return value

    @field_validator("allowed_networks", check_fields=False)
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item)
        return value

    @field_validator("nameservers", check_fields=False)
    @classmethod
    def _nameservers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            parse_nameserver(item)
        return value

    @field_validator("auto_formats", check_fields=False)
    @classmethod
    def _formats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item not in FORMATS:
                message = f"{item!r} is not one of {', '.join(FORMATS)}"
                raise ValueError(message)
        return value

    @field_validator("widths", check_fields=False)
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or value[0] < 1 or value[-1] > 65535 or list(value) != sorted(set(value)):
            raise ValueError("must be whole numbers from 1 to 65535 in rising order")
        return value

    @field_validator("source_dir", check_fields=False)
    @classmethod
    def _directory(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("there is no such directory")
        return value

    @field_validator("invalidate_security_token", check_fields=False)
    @classmethod
    def _tokens(cls, value: SecretStr) -> SecretStr:
        tokens = [token.strip() for token in value.get_secret_value().split(",")]
        if any(not re.fullmatch(r"[!-+\--~]*", token) for token in tokens):
            raise ValueError("a token holds a space or a letter outside ASCII")
        if len(tokens) > MOST_TOKENS:
            message = f"{len(tokens)} tokens are named, and at most {MOST_TOKENS} can live at once"
            raise ValueError(message)
        return value

    @field_validator("url_signature_key", check_fields=False)
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("shorter than 32 characters")
        return value

    @field_validator("max_variant_bytes", "max_source_bytes", check_fields=False)
    @classmethod
    def _fits(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        whole = "stream_limit" if info.field_name == "max_variant_bytes" else "download_limit"
        limit = info.data.get(whole)  # absent when it is itself a mistake, reported on its own
        if limit is not None and value > limit:
            message = f"larger than {variable(whole)} ({written(Size(limit))})"
            raise ValueError(message)
        return value
