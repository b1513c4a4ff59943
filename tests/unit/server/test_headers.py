"""Design guarantee 9 and 6.13; docs/decisions/age-and-date.md."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.proxy.base import CacheStatus, Served
from imcaxy.server.dates import format_date
from imcaxy.server.headers import (
    cache_control,
    content_fields,
    shared_fields,
    stamp,
    validators,
    vary,
)
from imcaxy.server.policy import HttpPolicy
from tests.fakes.proxy import HIT, MADE_AT, MISS, kept

POLICY = HttpPolicy()
SERVED = Served(kept(b"x"), HIT, ())


@pytest.mark.parametrize(
    ("flags", "policy", "expected"),
    [
        ({}, POLICY, "public, max-age=300, stale-while-revalidate=86400"),
        (
            {},
            HttpPolicy(max_age=60, shared_max_age=600, stale_while_revalidate=0),
            "public, max-age=60, s-maxage=600",
        ),
        ({"short_lived": True}, POLICY, "public, max-age=60"),
        ({"immutable": True}, POLICY, "public, max-age=31536000, immutable"),
        ({"fallback": True}, POLICY, "no-store"),
        ({"fallback": True, "short_lived": True}, POLICY, "no-store"),
    ],
)
def test_cache_control_says_how_long_a_client_may_keep_it(
    flags: Any, policy: HttpPolicy, expected: Any
) -> None:
    assert cache_control(replace(SERVED, **flags), policy) == expected


@pytest.mark.parametrize(
    ("elapsed", "lifetime", "age"),
    [
        pytest.param(0, 300, 0, id="just-made"),
        pytest.param(3, 300, 3, id="cache-tests-other-age-gen"),
        pytest.param(29, 300, 29, id="end-of-first-window"),
        pytest.param(30, 300, 0, id="second-window"),
        pytest.param(10 * 86400, 300, 0, id="ten-days"),
        pytest.param(10 * 86400 + 7, 31536000, 7, id="immutable"),
        pytest.param(5, 0, 0, id="not-fresh-at-all"),
        pytest.param(5, 9, 0, id="too-short-for-a-window"),
        pytest.param(-5, 300, 0, id="made-by-a-clock-ahead-of-ours"),
    ],
)
def test_stamp_counts_age_within_a_window(elapsed: Any, lifetime: Any, age: Any) -> None:
    date, counted = stamp(MADE_AT, MADE_AT + elapsed, lifetime)
    assert counted == age
    assert date == int(MADE_AT) + elapsed - age


def test_stamp_date_stands_still_between_two_hits() -> None:
    assert stamp(MADE_AT, MADE_AT, 300)[0] == stamp(MADE_AT, MADE_AT + 3, 300)[0]


@given(st.integers(0, 2**31), st.integers(-(2**20), 2**31), st.integers(0, 31536000))
def test_stamp_leaves_downstream_nine_tenths_and_adds_up(
    made_at: Any, elapsed: Any, lifetime: Any
) -> None:
    now = made_at + elapsed
    date, age = stamp(made_at, now, lifetime)
    assert 0 <= age <= lifetime / 10
    assert date + age == now
    assert elapsed < 0 or date >= made_at


def test_shared_fields_age_only_where_nothing_was_made_for_this_request() -> None:
    now = MADE_AT + 5
    collapsed = CacheStatus(hit=False, fwd="miss", collapsed=True)
    assert dict(shared_fields(SERVED, POLICY, now))["Age"] == "5"
    assert dict(shared_fields(replace(SERVED, status=collapsed), POLICY, now))["Age"] == "5"
    assert "Age" not in dict(shared_fields(replace(SERVED, status=MISS), POLICY, now))


def test_shared_fields_window_follows_the_shorter_lifetime() -> None:
    policy = HttpPolicy(max_age=3600, shared_max_age=20)
    assert dict(shared_fields(SERVED, policy, MADE_AT + 5))["Age"] == "1"


def test_validators_last_modified_is_never_in_the_future() -> None:
    head = SERVED.variant.head
    assert validators(head, MADE_AT + 1.9).last_modified == int(MADE_AT)
    assert validators(head, MADE_AT - 10).last_modified == int(MADE_AT) - 10
    assert dict(content_fields(head, MADE_AT))["Last-Modified"] == format_date(int(MADE_AT))


def test_vary_names_each_field_once() -> None:
    assert vary((), ()) == []
    assert vary(("Accept", "Save-Data"), ("Origin",)) == [("Vary", "Accept, Save-Data, Origin")]
    assert vary(("Accept",), ("accept",)) == [("Vary", "accept")]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (HIT, "Imcaxy; hit; detail=memory"),
        (MISS, "Imcaxy; fwd=miss; stored"),
        (CacheStatus(hit=False, fwd="miss", collapsed=True), "Imcaxy; fwd=miss; collapsed"),
        (
            CacheStatus(hit=False, fwd="miss", detail="not-stored"),
            "Imcaxy; fwd=miss; detail=not-stored",
        ),
        (
            CacheStatus(hit=False, fwd="bypass", detail="fallback"),
            "Imcaxy; fwd=bypass; detail=fallback",
        ),
        (CacheStatus(hit=True, detail='a "b"\n'), 'Imcaxy; hit; detail="a \\"b\\"?"'),
    ],
)
def test_cache_status_renders_as_rfc_9211(status: Any, text: Any) -> None:
    assert status.render() == text
