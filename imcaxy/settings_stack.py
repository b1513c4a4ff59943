"""The settings of the stack: Imaginary, MongoDB and a bucket in place of what is built in."""

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imcaxy.settings_text import PREFIX, variable, written

Names = Annotated[tuple[str, ...], NoDecode]


class StackSettings(BaseSettings):
    """Where the parts are that other servers play; all unset is the embedded server."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,  # a default can clash with another setting that was changed
    )

    imaginary_service_url: Names = Field(
        (),
        description="Addresses of Imaginary servers that make the pictures; unset uses libvips.",
    )
    imaginary_fetch: Literal["imcaxy", "imaginary"] = Field(
        "imcaxy", description="Who fetches sources for Imaginary: this server, or Imaginary itself."
    )

    mongo_connection_string: SecretStr = Field(
        SecretStr(""),
        description="MongoDB that holds the catalog of many instances; unset uses SQLite.",
    )
    minio_access_key: str = Field("", description="Access key of the S3 server.")
    minio_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of the S3 server.")
    minio_bucket: str = Field("imcaxy", description="Bucket of the pictures; made when absent.")
    minio_location: str = Field("us-east-1", description="Location (region) of the bucket.")
    minio_ssl: bool = Field(False, description="Whether the S3 server is reached by TLS.")
    minio_endpoint: str = Field(
        "",
        description="S3 server (host or host:port) that keeps the pictures; unset uses files.",
    )

    @field_validator("imaginary_service_url", mode="before")
    @classmethod
    def _services(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip().rstrip("/") for part in value.split(",")]
        return tuple(part if "://" in part else f"http://{part}" for part in parts if part)

    @field_validator("imaginary_service_url")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if not re.fullmatch(r"https?://[^/@?#\s]+(/[^?#\s]*)?", item):
                raise ValueError("not an http or https address, without user name and query")
        if len(set(value)) != len(value):
            raise ValueError("one server is named twice")
        return value

    @field_validator("mongo_connection_string")
    @classmethod
    def _mongo(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if text and not re.fullmatch(r"mongodb(\+srv)?://[^\s/?#]+(/[^\s?#]*)?(\?\S*)?", text):
            raise ValueError("not a connection string such as mongodb://user:password@host/imcaxy")
        return SecretStr(text)

    @field_validator("minio_bucket")
    @classmethod
    def _bucket(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
            raise ValueError("not a bucket's name: 3 to 63 of a-z, 0-9, hyphen and dot")
        return value

    @field_validator("minio_endpoint")
    @classmethod
    def _endpoint(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", value, re.ASCII):
            raise ValueError("not host or host:port; whether TLS is used says IMCAXY_MINIO_SSL")
        needed = ("minio_access_key", "minio_secret_key", "mongo_connection_string")
        lacking = [variable(name) for name in needed if not written(info.data.get(name))]
        if lacking:
            message = (
                f"{' and '.join(lacking)} must be set too: a bucket needs its keys, and a catalog "
                "that all who use it share"
            )
            raise ValueError(message)
        return value
