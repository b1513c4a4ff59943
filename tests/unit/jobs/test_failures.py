from imcaxy.errors import Overloaded, ProcessorFailed, SourceMissing
from imcaxy.jobs.failures import Failures
from tests.fakes.clock import FakeClock


async def test_failure_is_recalled_until_its_time_is_over() -> None:
    clock = FakeClock()
    failures = Failures(clock, jitter=lambda: 0.5)
    error = SourceMissing("gone", value="x")
    failures.note("a", error, failures.lifetime(error))
    await clock.advance(29.9)
    recalled = failures.recall("a")
    assert isinstance(recalled, SourceMissing)
    assert recalled is not error
    assert recalled.value == "x"
    await clock.advance(0.2)
    assert failures.recall("a") is None
    assert len(failures) == 0


async def test_failure_of_the_server_side_says_when_to_come_back() -> None:
    clock = FakeClock()
    failures = Failures(clock, jitter=lambda: 0.5)
    failures.note("a", ProcessorFailed(), 2.0)
    await clock.advance(0.5)
    recalled = failures.recall("a")
    assert recalled is not None
    assert recalled.retry_after == 1.5


def test_lifetime_varies_by_a_fifth() -> None:
    low = Failures(FakeClock(), jitter=lambda: 0.0).lifetime(SourceMissing())
    high = Failures(FakeClock(), jitter=lambda: 1.0).lifetime(SourceMissing())
    assert (round(low), round(high)) == (24, 36)


def test_failure_without_a_lifetime_is_not_remembered() -> None:
    failures = Failures(FakeClock())
    failures.note("a", Overloaded(), failures.lifetime(Overloaded()))
    assert failures.recall("a") is None


def test_failures_past_the_limit_push_out_the_oldest() -> None:
    failures = Failures(FakeClock(), limit=2)
    for name in "abc":
        failures.note(name, SourceMissing(), 10.0)
    assert failures.recall("a") is None
    assert failures.recall("c") is not None
    assert len(failures) == 2


def test_record_forgets_the_failures_of_its_keys() -> None:
    failures = Failures(FakeClock())
    failures.note("a", SourceMissing(), 10.0, ("k", "*"))
    failures.note("b", SourceMissing(), 10.0, ("else", "*"))
    failures.apply(3, ["k", "never"])
    assert failures.recall("a") is None
    assert failures.recall("b") is not None
    failures.apply(4, ["*"])
    assert len(failures) == 0


def test_other_log_and_the_end_of_the_grace_leave_no_failure() -> None:
    failures = Failures(FakeClock())
    for forget in (failures.let_go, lambda: failures.reset(7)):
        failures.note("a", SourceMissing(), 10.0)
        forget()
        assert failures.recall("a") is None
