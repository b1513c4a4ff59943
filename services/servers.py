"""The servers: what they are built from, how they are started, and what their users are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from services.answering import http_ok, mongo_ok
from services.building import GoProgram, PatchedGoModule, Program, PythonProgram
from services.place import HOST

S3_KEY = "local-access"  # for these servers only, which nobody else reaches
S3_SECRET = "local-secret-key"  # noqa: S105 - see above; MinIO wants eight characters or more
S3_REGION = "us-east-1"
FERRETDB = "v1.24.2"


@dataclass(frozen=True)
class Start:
    """What a start has to know."""

    executable: Path
    port: int
    data: Path

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True)
class Server:
    """One server that tests can ask for."""

    program: Program
    command: Callable[[Start], list[str]]  # what stands behind the executable
    ready: Callable[[int], bool]  # asked with its port
    told: Callable[[Start], Mapping[str, str]]  # variables of `.services/env`
    environment: Mapping[str, str] = field(default_factory=dict)
    on_demand: bool = False  # left out unless it is named


def _address(variable: str, form: str) -> Callable[[Start], Mapping[str, str]]:
    return lambda start: {variable: form.format(start.address)}


SERVERS: dict[str, Server] = {
    "imaginary": Server(
        # Upstream's release, with a newer bimg than it was published with: that one writes GIF.
        program=GoProgram(
            "imaginary", "github.com/h2non/imaginary", "-X main.Version=1.2.4", libvips=True
        ),
        command=lambda start: ["-a", HOST, "-p", str(start.port), "-enable-url-source"],
        ready=partial(http_ok, path="/health"),
        told=lambda start: {
            "SERVICES_IMAGINARY_URL": f"http://{start.address}",
            "SERVICES_IMAGINARY_PROGRAM": str(start.executable),
        },
    ),
    "minio": Server(
        program=GoProgram("minio", "github.com/minio/minio"),
        command=lambda start: ["server", "--quiet", "--address", start.address, str(start.data)],
        environment={
            "MINIO_ROOT_USER": S3_KEY,
            "MINIO_ROOT_PASSWORD": S3_SECRET,
            "MINIO_REGION": S3_REGION,
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
        },
        ready=partial(http_ok, path="/minio/health/ready"),
        told=_address("SERVICES_MINIO_ENDPOINT", "{}"),
    ),
    "versitygw": Server(
        program=GoProgram("versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        command=lambda start: [
            *("--quiet", "--port", start.address, "--region", S3_REGION, "--health", "/health"),
            *("posix", str(start.data)),
        ],
        environment={"ROOT_ACCESS_KEY": S3_KEY, "ROOT_SECRET_KEY": S3_SECRET},
        ready=partial(http_ok, path="/health"),
        told=_address("SERVICES_VERSITYGW_ENDPOINT", "{}"),
    ),
    "ferretdb": Server(
        program=PatchedGoModule(
            "ferretdb",
            "github.com/FerretDB/FerretDB",
            FERRETDB,
            "h1:trrUU0LbmusMbyubhPS1IELncvrIwKrsRT2LW1UUWCw=",
            "./cmd/ferretdb",
            {"build/version/version.txt": f"{FERRETDB}\n"},  # it refuses to start without
        ),
        command=lambda start: [
            *("--handler=sqlite", f"--sqlite-url=file:{start.data}/", f"--state-dir={start.data}"),
            *(f"--listen-addr={start.address}", "--debug-addr=-", "--log-level=warn"),
        ],
        environment={"FERRETDB_TELEMETRY": "disable", "DO_NOT_TRACK": "1"},
        ready=mongo_ok,
        told=_address("SERVICES_FERRETDB_URI", "mongodb://{}/?directConnection=true"),
    ),
    "secantus": Server(
        program=PythonProgram("secantus", "secantusd-py"),
        command=lambda start: [
            *("--host", HOST, "--port", str(start.port), "--storage-path", str(start.data)),
            *("--log-level", "WARNING"),
        ],
        ready=mongo_ok,
        told=_address("SERVICES_SECANTUS_URI", "mongodb://{}/?directConnection=true"),
    ),
    "imagor": Server(
        program=GoProgram("imagor", "github.com/cshum/imagor/cmd/imagor", libvips=True),
        command=lambda start: [
            *("-server-address", HOST, "-port", str(start.port), "-imagor-unsafe"),
            *("-http-loader-allowed-sources", f"{HOST}*"),  # matched with the port: so the star
        ],
        ready=partial(http_ok, path="/healthcheck"),
        told=_address("SERVICES_IMAGOR_URL", "http://{}"),
        on_demand=True,
    ),
}

COMMON = {
    "SERVICES_S3_ACCESS_KEY": S3_KEY,
    "SERVICES_S3_SECRET_KEY": S3_SECRET,
    "SERVICES_S3_REGION": S3_REGION,
}

# Programs that tests run and that are no servers: built when they are named.
TOOLS: dict[str, Program] = {
    "compose": PatchedGoModule(
        "compose",
        "github.com/docker/compose/v2",
        "v2.40.3",
        "h1:XeYkQu1svDtyfZPv5nTwFryQ25ZJMkIlc4pz9HalMPI=",
        "./cmd",
    ),
}
