import pytest

from imcaxy.errors import BlobError, BlobMissing, CatalogError
from imcaxy.store.breaker import PAUSE, RECENT, Breaker
from tests.fakes.clock import FakeClock


def broken(clock: FakeClock) -> Breaker:
    breaker = Breaker(clock, 2.0)
    with pytest.raises(BlobError), breaker.guard():
        raise BlobError
    return breaker


async def test_failure_refuses_until_the_pause_is_over() -> None:
    clock = FakeClock()
    breaker = broken(clock)
    assert breaker.rests
    with pytest.raises(CatalogError), breaker.guard():
        pytest.fail("the store was called")
    await clock.advance(2.0)
    with breaker.guard():
        pass
    assert not breaker.rests


async def test_after_the_pause_one_call_tries_alone() -> None:
    clock = FakeClock()
    breaker = broken(clock)
    await clock.advance(2.0)
    with breaker.guard(), pytest.raises(CatalogError):
        breaker.refuse()
    breaker.refuse()


async def test_trial_that_fails_begins_another_pause() -> None:
    clock = FakeClock()
    breaker = broken(clock)
    await clock.advance(2.0)
    with pytest.raises(CatalogError), breaker.guard():
        raise CatalogError
    assert breaker.rests
    await clock.advance(2.0)
    breaker.refuse()


async def test_cancelled_trial_lets_the_next_call_try() -> None:
    clock = FakeClock()
    breaker = broken(clock)
    await clock.advance(2.0)
    with pytest.raises(KeyboardInterrupt), breaker.guard():
        raise KeyboardInterrupt
    breaker.refuse()


def test_missing_blob_is_an_answer() -> None:
    breaker = Breaker(FakeClock(), 2.0)
    with pytest.raises(BlobMissing), breaker.guard():
        raise BlobMissing
    breaker.refuse()


async def test_failure_shows_for_a_while_whatever_succeeds_meanwhile() -> None:
    clock = FakeClock()
    breaker = broken(clock)
    await clock.advance(PAUSE)
    with breaker.guard():
        pass
    assert breaker.failing
    await clock.advance(RECENT)
    assert Breaker(clock).failing is breaker.failing is False
