import pytest

from imcaxy.proxy.base import CacheStatus


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (CacheStatus(hit=True, detail="memory"), "Imcaxy; hit; detail=memory"),
        (CacheStatus(hit=False, fwd="miss", stored=True), "Imcaxy; fwd=miss; stored"),
        (CacheStatus(hit=False, fwd="miss", collapsed=True), "Imcaxy; fwd=miss; collapsed"),
        (
            CacheStatus(hit=False, fwd="miss", detail="not-stored"),
            "Imcaxy; fwd=miss; detail=not-stored",
        ),
        (
            CacheStatus(hit=False, fwd="bypass", detail="fallback"),
            "Imcaxy; fwd=bypass; detail=fallback",
        ),
        (
            CacheStatus(hit=True, detail='a "quoted" \\ é'),
            'Imcaxy; hit; detail="a \\"quoted\\" \\\\ ?"',
        ),
    ],
)
def test_cache_status_is_a_structured_field(status: CacheStatus, text: str) -> None:
    assert status.render() == text
