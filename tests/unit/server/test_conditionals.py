"""RFC 9110 §13, in the order of §13.2.2."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.server.conditionals import Conditions, Validators, judge, range_applies

ETAG = '"abc"'
MODIFIED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
NOW = MODIFIED + 3600.0
CURRENT = Validators(ETAG, MODIFIED)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        pytest.param({}, "proceed", id="none"),
        pytest.param({"if_match": ETAG}, "proceed", id="13.1.1-same"),
        pytest.param({"if_match": "*"}, "proceed", id="13.1.1-any"),
        pytest.param({"if_match": '"x", "abc"'}, "proceed", id="13.1.1-list"),
        pytest.param({"if_match": '"x"'}, "failed", id="13.1.1-other"),
        pytest.param({"if_match": 'W/"abc"'}, "failed", id="13.1.1-strong-comparison"),
        pytest.param({"if_match": ""}, "failed", id="13.1.1-empty"),
        pytest.param({"if_unmodified_since": AT}, "proceed", id="13.1.4-same"),
        pytest.param({"if_unmodified_since": BEFORE}, "failed", id="13.1.4-modified-since"),
        pytest.param({"if_unmodified_since": "yesterday"}, "proceed", id="13.1.4-not-a-date"),
        pytest.param(
            {"if_match": ETAG, "if_unmodified_since": BEFORE}, "proceed", id="13.2.2-1-before-2"
        ),
        pytest.param({"if_none_match": ETAG}, "not-modified", id="13.1.2-same"),
        pytest.param({"if_none_match": 'W/"abc"'}, "not-modified", id="13.1.2-weak-comparison"),
        pytest.param({"if_none_match": "*"}, "not-modified", id="13.1.2-any"),
        pytest.param({"if_none_match": '"x" , ,W/"abc"'}, "not-modified", id="13.1.2-list"),
        pytest.param({"if_none_match": '"x,\\"abc"'}, "proceed", id="13.1.2-comma-in-a-tag"),
        pytest.param({"if_none_match": '"ABC"'}, "proceed", id="8.8.3-tags-have-case"),
        pytest.param({"if_none_match": "abc"}, "proceed", id="8.8.3-unquoted-is-no-tag"),
        pytest.param({"if_none_match": 'w/"abc"'}, "proceed", id="8.8.3-weakness-has-case"),
        pytest.param({"if_modified_since": AT}, "not-modified", id="13.1.3-same"),
        pytest.param({"if_modified_since": AFTER}, "not-modified", id="13.1.3-later"),
        pytest.param({"if_modified_since": BEFORE}, "proceed", id="13.1.3-modified-since"),
        pytest.param({"if_modified_since": "0"}, "proceed", id="13.1.3-not-a-date"),
        pytest.param({"if_modified_since": f"{AT}, {AT}"}, "proceed", id="13.1.3-two-dates"),
        pytest.param(
            {"if_none_match": '"x"', "if_modified_since": AT}, "proceed", id="13.2.2-3-before-4"
        ),
        pytest.param({"if_match": '"x"', "if_none_match": ETAG}, "failed", id="13.2.2-1-before-3"),
        pytest.param(
            {"if_match": "*", "if_none_match": ETAG}, "not-modified", id="13.2.2-1-then-3"
        ),
    ],
)
def test_judge_follows_the_order_of_preconditions(fields: Any, outcome: Any) -> None:
    assert judge(Conditions(**fields), CURRENT, NOW) == outcome


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        pytest.param(None, True, id="absent"),
        pytest.param(ETAG, True, id="13.1.5-same-tag"),
        pytest.param('"x"', False, id="13.1.5-other-tag"),
        pytest.param('W/"abc"', False, id="13.1.5-strong-comparison"),
        pytest.param('"x", "abc"', False, id="13.1.5-no-lists"),
        pytest.param("*", False, id="13.1.5-no-star"),
        pytest.param(AT, True, id="13.1.5-exact-date"),
        pytest.param(AFTER, False, id="13.1.5-later-date-is-not-exact"),
        pytest.param(BEFORE, False, id="13.1.5-earlier-date"),
        pytest.param("rubbish", False, id="neither"),
    ],
)
def test_range_applies_only_to_the_same_picture(if_range: Any, applies: Any) -> None:
    assert range_applies(if_range, CURRENT, NOW) is applies


def test_range_applies_date_of_a_new_picture_is_a_weak_validator() -> None:
    assert not range_applies(AT, CURRENT, MODIFIED + 59.0)
    assert range_applies(AT, CURRENT, MODIFIED + 60.0)


@given(st.text(), st.text())
def test_any_text_never_raises(one: Any, other: Any) -> None:
    judge(Conditions(one, other, None, other, one), CURRENT, NOW)
    judge(Conditions(None, one, other), CURRENT, NOW)
    range_applies(one, CURRENT, NOW)
