from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.server.access_log import LONGEST_TARGET, redact


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("width=640&type=auto", "width=640&type=auto"),
        ("url=https://a.example/b.jpg", "url=https://a.example/b.jpg"),
        ("sign=abc", "sign=***"),
        ("KEY=abc&to%6ben=x", "KEY=***&to%6ben=***"),
        ("url=https://a.example/b.jpg?X-Sig=abc", "url=https://a.example/b.jpg?***"),
        ("url=https%3A%2F%2Fa.example%2Fb.jpg%3Fsig%3Dabc", "url=https://a.example/b.jpg?***"),
        ("url=https://user:abc@a.example/b.jpg", "url=https://***@a.example/b.jpg"),
        ("url=https%3A%2F%2Fuser%3Aabc%40a.example%2F", "url=https://***@a.example/"),
        ("url=//user:abc@a.example/", "url=//***@a.example/"),
        ("url=https%253A%252F%252Fu%253Aabc%2540a.example", "url=https://***@a.example"),
        (
            'operations=[{"params":{"url":"https://x.example/y?sig=abc"}}]',
            "operations=[%7B%22params%22:%7B%22url%22:%22https://x.example/y?***%22%7D%7D]",
        ),
        ("text=a%0Ab", "text=a%0Ab"),
        ("text=%2525252525252541", "text=***"),
        ("flag", "flag"),
    ],
)
def test_redact_hides_what_is_secret_and_shows_the_rest(query: Any, shown: Any) -> None:
    assert redact("/imaginary/resize", query) == f"/imaginary/resize?{shown}"


def test_redact_long_target_is_cut() -> None:
    assert len(redact("/x", "a=" + "b" * 60_000)) == LONGEST_TARGET + 1


@given(st.text(), st.text())
def test_redact_any_target_is_one_printable_line(path: Any, query: Any) -> None:
    shown = redact(path.replace("\ud800", ""), query)
    assert shown.isprintable()


@given(st.sampled_from(["url", "image", "x"]), st.integers(0, 3))
def test_redact_user_info_never_shows_however_often_it_was_encoded(name: Any, rounds: Any) -> None:
    value = "https://user:hunter2@a.example/?sig=hunter2"
    for _ in range(rounds):
        value = (
            value.replace("%", "%25").replace(":", "%3A").replace("@", "%40").replace("/", "%2F")
        )
        value = value.replace("?", "%3F").replace("=", "%3D")
    assert "hunter2" not in redact("/", f"{name}={value}")
