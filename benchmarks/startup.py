"""How soon the server is ready, and what it takes while it idles without children.

`python benchmarks/startup.py`: medians of several runs, each with a new data directory.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.place import free_port
from tests.faults.processes import resident

RUNS = 7


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def one_run() -> tuple[float, float]:
    """Seconds until ready, and MB resident a moment later."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        environment = {**os.environ, "IMCAXY_DATA_DIR": data, "IMCAXY_PORT": str(port)}
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "imcaxy", "serve"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not is_ready(port):
            time.sleep(0.005)
        ready = time.perf_counter() - began
        time.sleep(0.5)
        memory = resident(server.pid) / 1e6
        server.send_signal(signal.SIGTERM)
        server.wait(10)
        return ready, memory


def main() -> None:
    one_run()  # warms the caches of the file system and of compiled modules
    runs = [one_run() for _ in range(RUNS)]
    for name, unit, goal, values in (
        ("ready", "s", "0.5", [run[0] for run in runs]),
        ("idle", "MB", "80", [run[1] for run in runs]),
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:6} {middle:7.3f} {unit:2}  ({low:.3f} to {high:.3f}; goal: under {goal})")


if __name__ == "__main__":
    main()
