import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.processors.vips import frames

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=9), VALUES, max_size=5), st.lists(st.binary(max_size=50)))
def test_pack_header_any_header_is_read_back(
    header: dict[str, object], bodies: list[bytes]
) -> None:
    packed = frames.pack_header(header, bodies)
    length = frames.header_length(packed[: frames.LENGTH_BYTES])
    assert length == len(packed) - frames.LENGTH_BYTES
    read = frames.parse_header(packed[frames.LENGTH_BYTES :])
    assert read == {**header, "bodies": [len(body) for body in bodies]}
    assert frames.body_lengths(read, 10_000) == read["bodies"]


@given(st.binary(max_size=300))
def test_parse_header_any_bytes_is_an_object_or_an_error(text: bytes) -> None:
    with contextlib.suppress(frames.FrameError):
        assert isinstance(frames.parse_header(text), dict)


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b"{", b"\xff\xfe", b"[" * 60_000])
def test_parse_header_no_object_is_an_error(text: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.parse_header(text)


@pytest.mark.parametrize("length", [0, 1, frames.MAX_HEADER_BYTES + 1, 0xFFFFFFFF])
def test_header_length_of_no_honest_frame_is_an_error(length: int) -> None:
    with pytest.raises(frames.FrameError):
        frames.header_length(length.to_bytes(4, "big"))


@pytest.mark.parametrize(
    "lengths", [None, "12", [1.5], [True], [-1], [[1]], [60, 41], {"0": 1}, [None]]
)
def test_body_lengths_wrong_or_too_many_is_an_error(lengths: object) -> None:
    with pytest.raises(frames.FrameError):
        frames.body_lengths({"bodies": lengths}, 100)


def test_pack_header_too_long_is_an_error() -> None:
    with pytest.raises(frames.FrameError):
        frames.pack_header({"text": "x" * frames.MAX_HEADER_BYTES}, [])
