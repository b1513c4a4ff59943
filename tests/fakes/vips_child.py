"""A child that misbehaves as its first argument says; the pool starts it like a real one."""

import json
import os
import signal
import struct
import sys
import time
from typing import Any, BinaryIO, NoReturn

HELLO = {"hello": 1, "libvips": "0.0.0", "api": True, "formats": ["jpeg"], "bodies": []}


def send(header: dict[str, object], body: bytes = b"") -> None:
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("!I", len(text)) + text + body)
    sys.stdout.buffer.flush()


def receive() -> bytes:
    """Take one whole request; what it says of holding pixels, and its bodies."""
    source = sys.stdin.buffer
    forgot = False
    while True:
        header, bodies = receive_frame(source)
        if not header.get("forget"):
            words = [b"forgot"] * forgot + [b"keep"] * bool(header.get("keep"))
            return b" ".join([*words, *bodies])
        forgot = True


def receive_frame(source: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    prefix = source.read(4)
    if not prefix:
        sys.exit(0)
    header = json.loads(source.read(struct.unpack("!I", prefix)[0]))
    return header, [source.read(length) for length in header["bodies"]]


def hang() -> NoReturn:
    while True:
        time.sleep(60)


def main(manner: str) -> None:
    if manner == "mute":
        hang()
    if manner == "stillborn":
        sys.exit(3)
    if manner == "babbling":
        sys.stdout.write("Hello, I am a child.\n" * 50)
        sys.stdout.flush()
        hang()
    send(HELLO)
    if manner == "deaf":  # never takes its request
        hang()
    number = 0
    while True:
        request = receive()
        number += 1
        if not manner.endswith(" once"):
            answer(manner, number, request)
        else:  # honest at first, then as it says
            answer("telling" if number == 1 else manner.removesuffix(" once"), number, request)


def answer(manner: str, number: int, request: bytes) -> None:
    if manner == "crashing":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif manner == "hanging":
        hang()
    elif manner == "garbage":
        sys.stdout.buffer.write(os.urandom(4096))
        sys.stdout.buffer.flush()
    elif manner == "boasting":  # announces more than anybody may read
        send({"id": number, "type": "image/jpeg", "bodies": [1 << 40]})
    elif manner == "dripping":
        send({"id": number, "type": "image/jpeg", "bodies": [1000]}, b"x")
        hang()
    elif manner == "torn":
        send({"id": number, "type": "image/jpeg", "bodies": [1000]}, b"x" * 10)
        sys.exit(0)
    elif manner in ANSWERS:
        send({"id": number, "bodies": [], **ANSWERS[manner]})
    else:
        name = request if manner == "telling" else str(os.getpid()).encode()
        send({"id": number, "type": "image/jpeg", "bodies": [len(name)]}, name)


ANSWERS: dict[str, dict[str, object]] = {
    "off by one": {"id": 77, "type": "image/jpeg"},
    "empty": {"type": "image/jpeg", "bodies": [0]},
    "typeless": {"bodies": []},
    "negative": {"type": "image/jpeg", "bodies": [-1]},
    "listing": {"type": "image/jpeg", "bodies": "many"},
    "blaming the catalog": {"error": {"kind": "catalog", "detail": "x"}},
    "blaming nobody": {"error": "no"},
    "spent": {"error": {"kind": "variant-too-large", "detail": "x"}, "spent": True},
    "complaining": {"error": {"kind": "undecodable", "detail": "y" * 9000, "value": [1]}},
}

if __name__ == "__main__":
    main(sys.argv[1])
