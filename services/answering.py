"""Whether a server answers yet."""

import http.client
import socket
import struct

from services.place import HOST

PATIENCE = 2.0  # seconds that one question may take
_PING = (  # OP_MSG with {"ping": 1, "$db": "admin"}, in the protocol's little-endian form
    b"\x10ping\0\x01\0\0\0" + b"\x02$db\0\x06\0\0\0admin\0"
)


def http_ok(port: int, path: str, host: str = HOST) -> bool:
    """Whether GET is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def mongo_ok(port: int) -> bool:
    """Whether MongoDB's `ping` is answered with `ok: 1`."""
    document = struct.pack("<i", len(_PING) + 5) + _PING + b"\0"
    message = struct.pack("<iiiiIB", 21 + len(document), 1, 0, 2013, 0, 0) + document
    try:
        with socket.create_connection((HOST, port), PATIENCE) as connection:
            connection.sendall(message)
            answer = connection.recv(4096)
    except OSError:
        return False
    return b"\x01ok\0" + struct.pack("<d", 1.0) in answer
