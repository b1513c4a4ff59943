import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.server.plain_request import LONGEST, MOST_FIELDS, Fields, read_fields, request_line


def block(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def test_ordinary_request_says_what_chooses_its_answer() -> None:
    fields = read_fields(
        block(
            "Host: pictures.example:8080",
            "Connection: Keep-Alive",
            "ACCEPT:image/webp,*/*;q=0.8 ",
            "Save-Data: ON",
            "Origin: https://a.example",
            'If-None-Match: "x"',
            "If-Modified-Since: rubbish",
            "X-Request-Id: mine",
            "Cookie: a=b",
        )
    )
    assert fields == Fields(
        accept="image/webp,*/*;q=0.8",
        save_data=True,
        origin="https://a.example",
        if_none_match='"x"',
        request_id="mine",
    )


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Range: bytes=0-",
        'If-Range: "x"',
        'If-Match: "x"',
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "Sec-WebSocket-Key1: x",
        "Host: y",
        "Accept: a\r\naccept: b",
        " folded: x",
        "\tfolded: x",
        "Name : x",
        "Na_me: x",
        "Name",
        ": x",
        "Name: \x7f",
        "Name: a\tb",
        "Name: \xe9",
        "Name: a\nb: c",
        "Name: a\rb",
        "Name: a\x00b",
        "Name: b\r\n\r\nGET / HTTP/1.1\r\nHost: x",
        "Name: " + "x" * LONGEST,
        "\r\n".join(f"N{n}: x" for n in range(MOST_FIELDS)),
    ],
)
def test_field_that_is_not_ordinary_is_left_to_the_parser(line: str) -> None:
    assert read_fields(block("Host: x")) is not None
    assert read_fields(block("Host: x", line)) is None


@pytest.mark.parametrize("lines", [(), ("Accept: */*",), ("Host:",), ("Host: a b",), ("Host: /",)])
def test_request_without_a_proper_host_is_left_to_the_parser(lines: tuple[str, ...]) -> None:
    assert read_fields(block(*lines)) is None


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"Host: x\r\n", b"Host: x\r\n\r", b"Host: x\n\n"])
def test_block_without_its_end_is_left_to_the_parser(raw: bytes) -> None:
    assert read_fields(raw) is None


@given(st.binary(max_size=60))
def test_bytes_behind_the_end_are_never_part_of_an_ordinary_request(more: bytes) -> None:
    assert read_fields(block("Host: x") + more) == (
        read_fields(block("Host: x")) if not more else None
    )


def test_line_is_the_bytes_of_an_ordinary_target() -> None:
    assert request_line("/imaginary/a?b=%20") == b"GET /imaginary/a?b=%20 HTTP/1.1"


@pytest.mark.parametrize("target", ["*", "", "http://x/a", "/a b", "/a\r", "/é", "/a#b", "/\udc80"])
def test_other_targets_have_no_line(target: str) -> None:
    assert request_line(target) is None
