from imcaxy.server.ready import Head, Ready

MADE = 1_700_000_000.0


def a_ready() -> Ready:
    fields = [("Date", "x"), ("ETag", '"t"'), ("Age", "x"), ("Vary", "Accept")]
    return Ready(
        name="copy",
        tier="memory",
        etag='"t"',
        made_at=MADE,
        seconds=300,
        whole=Head.lay_out("200 OK", fields, 5),
        unchanged=Head.lay_out("304 Not Modified", fields, None),
        length=5,
        log_target=b'"/"',
        log_cache=b'"hit"',
    )


def test_head_is_stamped_anew_with_each_second() -> None:
    ready = a_ready()
    assert ready.whole_head(MADE + 29.9) + b"id" + ready.whole.end == (
        b"HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b'ETag: "t"\r\nAge: 29\r\nVary: Accept\r\nX-Request-Id: id\r\nContent-Length: 5\r\n\r\n'
    )
    assert b"Date: Tue, 14 Nov 2023 22:13:50 GMT\r\n" in ready.whole_head(MADE + 30)
    assert b"\r\nAge: 0\r\n" in ready.whole_head(MADE + 30.9)


def test_unchanged_head_has_no_length_and_the_same_stamp() -> None:
    ready = a_ready()
    assert ready.unchanged_head(MADE + 1.5) + b"id" + ready.unchanged.end == (
        b"HTTP/1.1 304 Not Modified\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b'ETag: "t"\r\nAge: 1\r\nVary: Accept\r\nX-Request-Id: id\r\n\r\n'
    )
    assert b"\r\nAge: 2\r\n" in ready.unchanged_head(MADE + 2)
    assert b"\r\nAge: 2\r\n" in ready.whole_head(MADE + 2.5)
