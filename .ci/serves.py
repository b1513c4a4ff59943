"""Starts `make run` as a newcomer would, and looks at the gallery and at one picture twice."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from http.client import HTTPMessage
from urllib.parse import urljoin

PATIENCE = 60  # seconds until the server must be ready


def main() -> int:
    """0 when the second answer for a picture is a hit with the same bytes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen(
            ["make", "run"],
            env=os.environ | {"IMCAXY_PORT": str(port), "IMCAXY_DATA_DIR": data},
            start_new_session=True,
        )
        try:
            look(f"http://127.0.0.1:{port}/", server)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)
    return 0


def look(root: str, server: "subprocess.Popen[bytes]") -> None:
    """Fail unless the gallery is there and its first picture is kept."""
    wait_until_ready(urljoin(root, "readyz"), server)
    page, _ = fetch(root)
    pictures = re.findall(r'data-picture="([^"]+)"', page.decode())
    print(f"gallery: {len(page)} bytes, {len(pictures)} pictures")
    assert len(pictures) >= 24, "the gallery shows fewer pictures than it should"
    address = urljoin(root, pictures[0].replace("&amp;", "&"))
    first, told = fetch(address)
    print(f"first:   {told['Content-Type']}, {len(first)} bytes, {told['Cache-Status']}")
    second, told = fetch_until_kept(address)
    print(f"second:  {told['Content-Type']}, {len(second)} bytes, {told['Cache-Status']}")
    assert first == second, "the picture changed"
    assert "; hit" in told["Cache-Status"], "the second answer is not a hit"


def fetch_until_kept(address: str) -> tuple[bytes, HTTPMessage]:
    """The first answer that is a hit; an entry is committed just after its picture was sent."""
    answer = fetch(address)
    for _ in range(20):
        if "; hit" in answer[1]["Cache-Status"]:
            break
        time.sleep(0.1)
        answer = fetch(address)
    return answer


def wait_until_ready(address: str, server: "subprocess.Popen[bytes]") -> None:
    """Return when the server says that it may serve."""
    for _ in range(PATIENCE * 10):
        assert server.poll() is None, f"`make run` ended with {server.returncode}"
        try:
            fetch(address)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"not ready within {PATIENCE} s")


def fetch(address: str) -> tuple[bytes, HTTPMessage]:
    """Body and fields; urllib raises OSError for anything but 200."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read(), answer.headers


if __name__ == "__main__":
    sys.exit(main())
