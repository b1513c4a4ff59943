from imcaxy.errors import InternalError, SourceMissing
from imcaxy.jobs import outcome as outcomes


def test_failure_survives_the_way_through_the_catalog() -> None:
    error = SourceMissing("It is gone.", value="http://a/b", accepted="one that exists")
    read = outcomes.parse(outcomes.failed(error, 12.5).render(at=1.0))
    assert isinstance(read.error, SourceMissing)
    assert (read.error.detail, read.error.value) == ("It is gone.", "http://a/b")
    assert read.error.accepted == "one that exists"
    assert (read.kept, read.until) == (False, 12.5)


def test_kept_and_dropped_survive_the_way_through_the_catalog() -> None:
    assert outcomes.parse(outcomes.KEPT.render(at=1.0)) == outcomes.KEPT
    assert outcomes.parse(outcomes.DROPPED.render(at=1.0)) == outcomes.DROPPED


def test_failure_of_an_unknown_kind_is_an_internal_error() -> None:
    text = '{"kept":false,"error":{"kind":"from-the-future"},"boot":"","until":0}'
    assert isinstance(outcomes.parse(text).error, InternalError)


def test_failure_is_fresh_only_on_its_own_machine_and_in_time() -> None:
    fresh = outcomes.failed(SourceMissing(), 10.0)
    assert fresh.fresh(9.9)
    assert not fresh.fresh(10.0)
    elsewhere = outcomes.Outcome(kept=False, error=SourceMissing(), boot="other", until=10.0)
    assert not elsewhere.fresh(0.0)
    assert not outcomes.KEPT.fresh(0.0)
