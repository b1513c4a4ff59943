import pytest

from imcaxy.proxy.base import CacheStatus
from imcaxy.server.counters import Counters, result


@pytest.mark.parametrize(
    ("status", "label"),
    [
        (CacheStatus(hit=True, detail="memory"), "memory"),
        (CacheStatus(hit=True, detail="disk"), "disk"),
        (CacheStatus(hit=True, detail="bucket"), "bucket"),
        (CacheStatus(hit=False, fwd="miss", stored=True), "stored"),
        (CacheStatus(hit=False, fwd="miss", collapsed=True), "collapsed"),
        (CacheStatus(hit=False, fwd="miss", detail="not-stored"), "not-stored"),
        (CacheStatus(hit=False, fwd="bypass", detail="fallback"), "fallback"),
        (CacheStatus(hit=False, fwd="method"), "method"),
        (CacheStatus(hit=False, fwd="miss", detail="something else"), "other"),
    ],
)
def test_every_cache_status_has_its_label_as_text_and_as_json(
    status: CacheStatus, label: str
) -> None:
    text = status.render()
    assert result(text) == label
    if label != "other":
        assert result(f'"{text}"'.encode()) == label


def test_answers_without_cache_status_are_none() -> None:
    assert result(None) == "none"


def test_both_roads_are_counted_under_one_label() -> None:
    counters = Counters()
    counters.count(200, "Imcaxy; hit; detail=memory", 10)
    counters.count(206, b'"Imcaxy; hit; detail=memory"', 5)
    counters.count(304, b'"Imcaxy; hit; detail=memory"', 0)
    counters.count(0, None, 0)
    assert list(counters.answers()) == [
        ("2xx", "memory", 2),
        ("3xx", "memory", 1),
        ("none", "none", 1),
    ]
    assert counters.sent == 15
