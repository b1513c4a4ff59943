"""The servers that `rivals.py` compares, and what they and wrk say of one run."""

import getpass
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.fronts import Front, snippet
from tests.e2e.server import Server

SERVER_CPU, CLIENT_CPU = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = {"nginx": "nginx-light", "varnishd": "varnish", "wrk": "wrk", "taskset": "util-linux"}

# What Chromium 156 sends for an <img>, in its order; %b is the target.
CHROMIUM = (
    b"GET %b HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8080\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/156.0.0.0 Safari/537.36\r\n"
    b'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b"Accept: image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: no-cors\r\n"
    b"Sec-Fetch-Dest: image\r\n"
    b"Referer: http://127.0.0.1:8080/page\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
)

_SCRIPT = """
local asked = {{ {requests} }}
local at = 0
request = function()
  at = at % #asked + 1
  return asked[at]
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Run:
    """One run of wrk against one server."""

    rate: float  # requests per second
    cpu: float  # microseconds of the server's processor time per request
    p99: float  # microseconds


def pinned(cpu: int) -> tuple[str, ...]:
    """A command that runs the one behind it on one core."""
    return ("taskset", "-c", str(cpu))


def install() -> None:
    """Install what is missing from the distribution; ends the program when that fails."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    if not missing:
        return
    commands = [["apt-get", "update", "-qq"]]
    commands.append(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])
    for command in commands:
        print("$", *command, flush=True)
        if os.geteuid() != 0 or subprocess.call(command, stdout=subprocess.DEVNULL) != 0:
            sys.exit(f"Please install {', '.join(missing)} as root, and start again.")


class Cache(Front):
    """nginx's or Varnish's cache before a server whose pictures it shall give."""

    name: str

    @property
    def process_id(self) -> int:
        return self.process.pid


class NginxCache(Cache):
    """As docs/http.md tells; one worker, sendfile as Debian has it, and a buffered access log."""

    name = "nginx"
    nopush = "on"

    def command(self) -> list[str]:
        text = snippet("nginx").replace("127.0.0.1:8080", f"127.0.0.1:{self._behind}")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        text = text.replace("/var/cache/nginx/imcaxy", str(self.directory / "store"))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in kinds)
        config = self.directory / "nginx.conf"
        config.write_text(
            f"""daemon off;
user {getpass.getuser()};
worker_processes 1;
pid {self.directory}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
access_log {self.directory}/access.log combined buffer=64k flush=1s;
sendfile on;
tcp_nopush {self.nopush};
keepalive_requests 1000000000;
{temporary}
{text}
}}
"""
        )
        nginx = ["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(config)]
        return [*pinned(SERVER_CPU), *nginx]


class NginxPushing(NginxCache):
    """Without tcp_nopush, which has answers of 100 kB wait 40 ms on some kernels' loopback."""

    name = "nginx-pushing"
    nopush = "off"


class VarnishCache(Cache):
    """As docs/http.md tells; one pool of threads. It logs to shared memory."""

    name = "Varnish"

    def command(self) -> list[str]:
        config = self.directory / "default.vcl"
        config.write_text(snippet("vcl").replace('"8080"', f'"{self._behind}"'))
        return [
            *pinned(SERVER_CPU),
            *("varnishd", "-F", "-j", "none", "-a", f"127.0.0.1:{self.port}", "-T", "none"),
            *("-f", str(config), "-n", str(self.directory / "work"), "-s", "malloc,256m"),
            *("-p", "thread_pools=1", "-p", "thread_pool_min=300"),
        ]


class Ours(Server):
    """Imcaxy, one worker on one core; it logs to a file."""

    name = "Imcaxy"

    def __init__(self, directory: Path, **settings: object) -> None:
        kept = {"max_age": 86400, "source_dir": directory.parent / "sources"}
        super().__init__(directory, **kept, **settings)
        self.launcher = pinned(SERVER_CPU)

    @property
    def process_id(self) -> int:
        return self.process.pid


Rival = Cache | Ours


def script(directory: Path, targets: Iterable[str], *fields: str) -> Path:
    """A script that makes wrk send these requests in turn, as Chromium does."""
    more = "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n"
    raw = [(CHROMIUM % target.encode() + more).decode() for target in targets]
    text = _SCRIPT.format(requests=",\n".join(json.dumps(each) for each in raw))
    path = directory / "wrk.lua"
    path.write_text(text)
    return path


def measure(rival: Rival, requests: Path, seconds: int, connections: int) -> Run:
    """One run; raises RuntimeError when any answer was not 2xx or 3xx."""
    before = processor_time(rival.process_id)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(requests)]
    done = subprocess.run(
        [*pinned(CLIENT_CPU), *command, f"http://127.0.0.1:{rival.port}/"],
        capture_output=True,
        text=True,
        check=True,
    )
    spent = processor_time(rival.process_id) - before
    for log in rival.directory.glob("*.log"):
        os.truncate(log, 0)  # written at its end: a few hundred bytes for each request
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    if figures["failed"] or not figures["requests"]:
        message = f"{rival.name}: {figures['failed']} requests failed of {figures['requests']}"
        raise RuntimeError(message)
    count = figures["requests"]
    return Run(count / figures["seconds"], spent * 1e6 / count, figures["p99"])


def processor_time(process_id: int) -> float:
    """Seconds that a process and its descendants have used, those that make pictures left out."""
    total = 0.0
    for each in (process_id, *_descendants(process_id)):
        try:
            stat = Path(f"/proc/{each}/stat").read_text()
            command = Path(f"/proc/{each}/cmdline").read_text()
        except OSError:
            continue
        if "imcaxy.processors" not in command:
            fields = stat.rpartition(") ")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def _descendants(process_id: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{process_id}/task").glob("*/children"):
        try:
            names = children.read_text().split()
        except OSError:
            continue
        for child in names:
            found += [int(child), *_descendants(int(child))]
    return found


def rest(seconds: float) -> None:
    """Let what was written last settle."""
    time.sleep(seconds)
