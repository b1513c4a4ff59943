"""The real servers that `make services` or a container engine has started.

Their addresses come from the environment, else from the file that `make services` writes.
"""

import os
import shlex
from functools import cache

from services.place import Place

_ADDRESS = {
    "imaginary": "SERVICES_IMAGINARY_URL",
    "imaginary-program": "SERVICES_IMAGINARY_PROGRAM",  # to start one's own, with other flags
    "minio": "SERVICES_MINIO_ENDPOINT",
    "versitygw": "SERVICES_VERSITYGW_ENDPOINT",
    "ferretdb": "SERVICES_FERRETDB_URI",
    "secantus": "SERVICES_SECANTUS_URI",
    "mongo": "SERVICES_MONGO_URI",  # a real one, where a container engine runs
    "imagor": "SERVICES_IMAGOR_URL",
    "compose": "SERVICES_COMPOSE_PROGRAM",
    "server": "SERVICES_SERVER_URL",  # this program, in its image
}


def runs(name: str) -> bool:
    """Whether the server's address is known."""
    return bool(told(_ADDRESS[name]))


def address(name: str) -> str:
    """The server's address, in the form of its own clients: URL, host:port or URI."""
    return told(_ADDRESS[name])


def told(variable: str) -> str:
    """One of the SERVICES_* variables; "" when it is not known."""
    return os.environ.get(variable) or _written().get(variable, "")


@cache
def _written() -> dict[str, str]:
    try:
        words = shlex.split(Place.default().env.read_text())
    except FileNotFoundError:
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)
