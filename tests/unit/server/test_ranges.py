"""RFC 9110 §14, rule by rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.server.ranges import (
    MOST_RANGES,
    RangeSpec,
    Span,
    content_range,
    parse_range,
    select,
)


def _specs(value: str) -> tuple[RangeSpec, ...]:
    specs = parse_range(value)
    assert specs is not None
    return specs


@pytest.mark.parametrize(
    ("value", "specs"),
    [
        pytest.param("bytes=0-499", [(0, 499)], id="14.1.2-closed"),
        pytest.param("bytes=500-", [(500, None)], id="14.1.2-open"),
        pytest.param("bytes=-500", [(None, 500)], id="14.1.2-suffix"),
        pytest.param("bytes=0-0,-1", [(0, 0), (None, 1)], id="14.1.2-first-and-last"),
        pytest.param("BYTES=1-2", [(1, 2)], id="14.1-units-without-case"),
        pytest.param("bytes= 0-1 ,\t3-4", [(0, 1), (3, 4)], id="5.6.1-white-space"),
        pytest.param("bytes=,0-1,,", [(0, 1)], id="5.6.1.2-empty-members"),
        pytest.param("bytes=007-09", [(7, 9)], id="leading-zeros"),
        pytest.param("bytes=0-" + "9" * 5000, [(0, 10**18)], id="endless-digits"),
    ],
)
def test_parse_range_wellformed_gives_specs(value: Any, specs: Any) -> None:
    assert parse_range(value) == tuple(RangeSpec(*spec) for spec in specs)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="absent"),
        pytest.param("lines=1-2", id="14.2-unknown-unit"),
        pytest.param("bytes", id="no-set"),
        pytest.param("bytes=", id="14.1.1-empty-set"),
        pytest.param("bytes=,", id="only-empty-members"),
        pytest.param("bytes=2-1", id="14.1.2-last-before-first"),
        pytest.param("bytes=0-1,2-1", id="one-invalid-spoils-all"),
        pytest.param("bytes=-", id="no-digits"),
        pytest.param("bytes=a-b", id="letters"),
        pytest.param("bytes=1 - 2", id="inner-space"),
        pytest.param("bytes=+1-2", id="sign"),
        pytest.param("bytes=\u0661-\u0662", id="digits-outside-ascii"),
        pytest.param("bytes=0x1-2", id="hexadecimal"),
        pytest.param("bytes=" + ",".join("0-1" for _ in range(MOST_RANGES + 1)), id="17.15-many"),
    ],
)
def test_parse_range_malformed_or_hostile_is_ignored(value: Any) -> None:
    assert parse_range(value) is None


@pytest.mark.parametrize(
    ("value", "length", "spans"),
    [
        pytest.param("bytes=0-9", 1000, [(0, 10)], id="closed"),
        pytest.param("bytes=990-2000", 1000, [(990, 1000)], id="14.1.2-last-past-the-end"),
        pytest.param("bytes=999-", 1000, [(999, 1000)], id="open"),
        pytest.param("bytes=-10", 1000, [(990, 1000)], id="suffix"),
        pytest.param("bytes=-5000", 1000, [(0, 1000)], id="14.1.2-suffix-longer-than-all"),
        pytest.param("bytes=0-9,500-509", 1000, [(0, 10), (500, 510)], id="two"),
        pytest.param("bytes=500-509,0-9", 1000, [(500, 510), (0, 10)], id="15.3.7.2-their-order"),
        pytest.param("bytes=0-9,5000-", 1000, [(0, 10)], id="14.2-unsatisfiable-ones-dropped"),
        pytest.param("bytes=0-99,50-149", 1000, [(0, 150)], id="15.3.7.2-overlap"),
        pytest.param("bytes=0-9,20-29", 1000, [(0, 30)], id="15.3.7.2-small-gap"),
        pytest.param("bytes=0-,0-,0-,0-", 1000, [(0, 1000)], id="17.15-repeated-whole"),
    ],
)
def test_select_known_length_gives_spans(value: Any, length: int, spans: Any) -> None:
    specs = _specs(value)
    assert select(specs, length, available=0) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_select_nothing_inside_is_unsatisfiable(value: Any) -> None:
    assert select(_specs(value), 1000, available=1000) == "unsatisfiable"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes=0-9", (Span(0, 10),), id="there"),
        pytest.param("bytes=0-99", (Span(0, 100),), id="just-there"),
        pytest.param("bytes=0-100", "whole", id="not-yet-there"),
        pytest.param("bytes=0-", "whole", id="open-end-unknown"),
        pytest.param("bytes=-1", "whole", id="suffix-end-unknown"),
        pytest.param("bytes=0-9,-1", "whole", id="one-of-them-unknown"),
    ],
)
def test_select_unknown_length_answers_only_what_is_there(value: Any, expected: Any) -> None:
    assert select(_specs(value), None, available=100) == expected


def test_content_range_length_unknown_is_a_star() -> None:
    assert content_range(Span(0, 10), None) == "bytes 0-9/*"
    assert content_range(Span(0, 10), 100) == "bytes 0-9/100"


SPEC = st.one_of(
    st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda p: f"{min(p)}-{max(p)}"),
    st.integers(0, 300).map(lambda first: f"{first}-"),
    st.integers(0, 300).map(lambda last: f"-{last}"),
)


@given(st.lists(SPEC, min_size=1, max_size=MOST_RANGES), st.integers(1, 250))
def test_select_covers_every_wanted_byte_once(members: Any, length: int) -> None:
    specs = _specs("bytes=" + ",".join(members))
    wanted: set[int] = set()
    for spec in specs:
        if spec.first is None:
            wanted |= set(range(max(0, length - (spec.last or 0)), length))
        else:
            last = length - 1 if spec.last is None else min(spec.last, length - 1)
            wanted |= set(range(spec.first, last + 1))
    selected = select(specs, length, available=0)
    if isinstance(selected, str):
        assert selected == "unsatisfiable"
        assert not wanted
        return
    ends = [(span.start, span.stop or 0) for span in selected]
    sent = [place for start, stop in ends for place in range(start, stop)]
    assert wanted <= set(sent)
    assert len(sent) == len(set(sent))
    assert all(0 <= start < stop <= length for start, stop in ends)


@given(st.text())
def test_parse_range_any_text_never_raises(text: Any) -> None:
    specs = parse_range("bytes=" + text)
    assert specs is None or 1 <= len(specs) <= MOST_RANGES
