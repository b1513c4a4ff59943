"""Every IMCAXY_* setting: type, unit, default, bounds. As plain values, free of what reads them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imcaxy.machine import process_name
from imcaxy.settings_values import MIB, Secret, Size, seconds, setting, size

# The widths that the components of react-client ask for (react-client/golden/ladder.json).
LADDER = (
    *(64, 96, 128, 160, 192, 256, 320, 384, 480, 640, 750, 828, 960, 1080),
    *(1280, 1536, 1920, 2560, 3200, 3840),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one server. `load` and `load_apart` make them, and hold them to the rules."""

    imaginary_service_url: tuple[str, ...] = setting(
        (), "Addresses of Imaginary servers that make the pictures; unset uses libvips."
    )
    imaginary_fetch: Literal["imcaxy", "imaginary"] = setting(
        "imcaxy", "Who fetches sources for Imaginary: this server, or Imaginary itself."
    )

    mongo_connection_string: Secret = setting(
        Secret(""), "MongoDB that holds the catalog of many instances; unset uses SQLite."
    )
    minio_access_key: str = setting("", "Access key of the S3 server.")
    minio_secret_key: Secret = setting(Secret(""), "Secret key of the S3 server.")
    minio_bucket: str = setting("imcaxy", "Bucket of the pictures; made when absent.")
    minio_location: str = setting("us-east-1", "Location (region) of the bucket.")
    minio_ssl: bool = setting(False, "Whether the S3 server is reached by TLS.")
    minio_endpoint: str = setting(
        "", "S3 server (host or host:port) that keeps the pictures; unset uses files."
    )

    host: str = setting("127.0.0.1", "Address to listen on; 0.0.0.0 for all.")
    port: int = setting(8080, "TCP port to listen on; 0 lets the system choose.", ge=0, le=65535)
    workers: int = setting(1, "Server processes that share the port and the limits.", ge=1, le=64)
    data_dir: Path = setting(
        Path("data"),
        "Directory of the catalog and the kept pictures, unless MongoDB and a bucket keep them; "
        "a local file system.",
    )
    source_dir: Path | None = setting(
        None, "Directory whose files `file=` may name; unset turns `file=` off."
    )
    dev: bool = setting(False, "Allow sources on private and loopback addresses. Never in public.")

    allowed_domains: tuple[str, ...] = setting(
        ("*",), "Hosts that sources may come from, comma separated; `*.example.com` too."
    )
    allowed_origins: tuple[str, ...] = setting(
        ("*",), "Hosts of pages that may use this server; a request without Origin passes."
    )
    allowed_networks: tuple[str, ...] = setting(
        (), "Networks (CIDR) that sources may lie in beyond public addresses."
    )
    nameservers: tuple[str, ...] = setting(
        (), "DNS servers (address or address:port) for sources; unset uses the system's."
    )

    allow_post: bool = setting(
        False, "Take pictures in the body of POST, as Imaginary; nothing is kept."
    )
    url_signature_key: Secret = setting(
        Secret(""), "Key of signed URLs (`sign=`), 32 characters or more; unset asks for none."
    )

    invalidate_security_token: Secret = setting(
        Secret(""), "Token that opens invalidation; two, comma separated, while one is replaced."
    )
    instance: str = setting(
        "", "Name of this machine to operators; unset is its host name.", max_length=100
    )
    purge_timeout: float = seconds(
        5.0, "Seconds that an invalidation waits for instances; then it answers 202."
    )
    offline_grace: float = setting(
        300.0,
        "Seconds that kept pictures are served while the log cannot be read.",
        ge=5,
        le=86_400,
    )

    max_entry_age: float = setting(
        0.0, "Seconds that a kept picture is served; 0 is for ever.", ge=0, le=315_360_000
    )
    revalidate_after: float = setting(
        0.0,
        "Seconds after which a source's server is asked for changes; 0 is never.",
        ge=0,
        le=31_536_000,
    )

    keep: bool = setting(
        True, "Keep finished pictures; false makes each anew, for all who ask meanwhile."
    )
    memory_limit: Size = size(256 * MIB, "Bytes of kept pictures held in memory, per machine.")
    fast_lane: bool = setting(
        True, "Answer ordinary requests for pictures in memory at once, before parsing them."
    )
    disk_limit: Size = size(
        10240 * MIB, "Bytes of pictures on disk or in the bucket; past it those worth least go."
    )
    scrub_rate: Size = setting(
        Size(4 * MIB), "Bytes of kept files verified per second in the background; 0 is off.", ge=0
    )
    stream_limit: Size = size(
        256 * MIB, "Bytes of pictures being made, per machine; past it misses get 503."
    )
    download_limit: Size = size(
        256 * MIB, "Bytes of sources held while pictures are made, per machine."
    )
    max_variant_bytes: Size = size(64 * MIB, "Bytes of one made picture; a larger one is refused.")
    max_source_bytes: Size = size(32 * MIB, "Bytes of one source; a larger one is refused.")
    max_pixels: int = setting(
        50_000_000, "Pixels (width times height) of one source or picture.", ge=1, le=1_000_000_000
    )
    max_frames: int = setting(256, "Frames of one animated source.", ge=1, le=10_000)

    processes: int = setting(
        0, "Pictures made at the same time, per machine; 0 is one per core.", ge=0, le=256
    )
    making_limit: Size = setting(
        Size(0), "Bytes that pictures may take while made, per machine; 0 is half its memory.", ge=0
    )
    process_memory: Size = size(
        1024 * MIB, "Bytes of address space of one process that makes pictures."
    )
    process_timeout: float = seconds(20.0, "Seconds that making one picture may take.")
    fetch_timeout: float = seconds(15.0, "Seconds that fetching one source may take.")
    request_timeout: float = seconds(
        60.0, "Seconds that a request waits for the first byte of its picture."
    )
    max_connections: int = setting(
        10_000,
        "Open connections of clients, per machine; one more replaces an idle one.",
        ge=1,
        le=1_000_000,
    )
    client_timeout: float = seconds(
        30.0, "Seconds in which a client must take the next 64 KiB, or is cut."
    )
    queue_limit: int = setting(
        256, "Jobs that may wait or run, per machine; past it misses get 503.", ge=1, le=100_000
    )
    queue_timeout: float = seconds(30.0, "Seconds that a job waits for its turn.")
    store_timeout: float = seconds(
        2.0, "Seconds until a store that does not answer is left out of a request."
    )
    drain_timeout: float = seconds(
        30.0, "Seconds that running responses and jobs have to end at a stop."
    )

    auto_formats: tuple[str, ...] = setting(
        ("webp",), "Formats for `type=auto`, best first: avif, webp, png."
    )
    save_data_quality_step: int = setting(
        0, "Points taken off the quality when `Save-Data: on` is sent; 0 is off.", ge=0, le=60
    )
    width_rule: Literal["off", "snap", "strict"] = setting(
        "off", "What a `width` off the list meets: `snap` rounds it up, `strict` refuses it."
    )
    widths: tuple[int, ...] = setting(
        LADDER, "Allowed widths in pixels, rising; those of `@imcaxy/react`."
    )
    max_age: int = setting(
        300, "Seconds that browsers keep a picture (max-age).", ge=0, le=31_536_000
    )
    shared_max_age: int | None = setting(
        None, "Seconds that CDNs keep a picture (s-maxage); unset sends none.", ge=0, le=31_536_000
    )
    stale_while_revalidate: int = setting(
        86400, "Seconds that a client may show a picture while it asks again.", ge=0, le=31_536_000
    )
    remember_failures: float = setting(
        1.0,
        "Factor on the seconds that failed pictures are remembered; 0 tries each anew.",
        ge=0,
        le=100,
    )
    fallback: Literal["none", "source"] = setting(
        "none", "What an `<img>` gets when no picture can be made: an error, or the source."
    )

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
        text = self.invalidate_security_token.reveal()
        return tuple(token.strip() for token in text.split(",") if token.strip())
