"""The cache key of an image request."""

import hashlib
import struct
from collections.abc import Iterable

from imcaxy.grammar.image_request import ImageRequest, Value
from imcaxy.grammar.source import Source

ENCODING = "imcaxy-1"  # changing the encoding below means changing this


def signature(request: ImageRequest, processor: str, recipe: str) -> str:
    """The SHA-256, in hex, of all that decides what picture is made.

    `type` must have been negotiated. Two requests share a signature only when they are equal, in
    the types of their values too: every part is encoded with its type and its length.
    """
    return hashlib.sha256(encode(request, processor, recipe)).hexdigest()


def encode(request: ImageRequest, processor: str, recipe: str) -> bytes:
    """The bytes that are hashed; different arguments give different bytes."""
    return _list(
        [
            _value(ENCODING),
            _value(processor),
            _value(recipe),
            _value(request.operation),
            _list(_list([_value(name), _value(held)]) for name, held in request.parameters),
            _list(_source(source) for source in request.sources),
        ]
    )


def _source(source: Source) -> bytes:
    return _list([_value(source.kind), _value(source.value)])


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return _tagged(b"b", b"1" if value else b"0")
        case int():
            return _tagged(b"i", str(value).encode())
        case float():
            return _tagged(b"f", struct.pack(">d", value))
        case str():
            return _tagged(b"s", value.encode("utf-8", "surrogatepass"))
        case _:
            return _list(map(_value, value))


def _list(items: Iterable[bytes]) -> bytes:
    return _tagged(b"l", b"".join(items))


def _tagged(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack(">I", len(content)) + content
