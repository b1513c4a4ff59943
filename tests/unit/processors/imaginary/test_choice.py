import pytest

from imcaxy.processors.imaginary.choice import LONGEST_REST, LOSSES, REST, Standing, choose


def test_choose_takes_the_least_busy_and_of_equals_the_least_used() -> None:
    standings = [Standing(busy=2), Standing(busy=1, used=9), Standing(busy=1, used=3)]
    assert choose(standings, (), now=0) == 2
    assert choose(standings, {2}, now=0) == 1
    assert choose(standings, {1, 2}, now=0) == 0
    assert choose(standings, {0, 1, 2}, now=0) is None


def test_choose_spreads_over_idle_ones() -> None:
    standings = [Standing(), Standing(), Standing()]
    chosen = []
    for _ in range(6):
        number = choose(standings, (), now=0)
        assert number is not None
        chosen.append(number)
        standings[number].take()
        standings[number].leave()
    assert chosen == [0, 1, 2, 0, 1, 2]


def test_unreachable_one_is_left_alone_longer_each_time() -> None:
    broken, well = Standing(), Standing(busy=50)
    now, rests = 100.0, []
    for _ in range(8):
        broken.unreachable(now)
        assert choose([broken, well], (), now) == 1
        assert choose([broken, well], (), broken.until - 0.001) == 1
        rests.append(broken.until - now)
        now = broken.until
        assert choose([broken, well], (), now) == 0
    assert rests[:4] == [REST, 2 * REST, 4 * REST, 8 * REST]
    assert max(rests) == rests[-1] == LONGEST_REST


def test_rested_one_gets_one_request_until_that_has_answered() -> None:
    back, busy = Standing(), Standing(busy=5)
    back.unreachable(0)
    assert choose([back, busy], (), back.until) == 0
    back.take()
    assert choose([back, busy], (), back.until) == 1
    back.answered()
    assert choose([back, busy], (), back.until) == 0


def test_rested_one_that_loses_its_first_answer_rests_again_and_longer() -> None:
    back = Standing()
    for _ in range(LOSSES):
        back.lost(0)
    assert (back.until, back.sound) == (REST, False)
    back.lost(REST)
    assert back.until == REST + 2 * REST
    back.answered()
    assert back.sound


def test_requests_that_fail_together_cost_one_rest() -> None:
    standing = Standing()
    for _ in range(8):
        standing.unreachable(10)
        standing.lost(10)
    assert standing.until == 10 + REST
    standing.unreachable(10, at_least=5 * REST)
    assert standing.until == 10 + 5 * REST
    standing.unreachable(standing.until)
    assert standing.until == 10 + 5 * REST + 2 * REST


def test_all_resting_the_first_to_be_back_is_asked() -> None:
    one, other = Standing(), Standing()
    one.unreachable(0, at_least=20)
    other.unreachable(5)
    assert choose([one, other], (), 5) == 1
    assert choose([one, other], {1}, 5) == 0


@pytest.mark.parametrize("asked", [2.5, 1e9])
def test_rest_is_as_long_as_asked_within_the_bound(asked: float) -> None:
    standing = Standing()
    standing.unreachable(0, at_least=asked)
    assert standing.until == min(asked, LONGEST_REST)


def test_lost_answers_rest_an_engine_only_when_they_follow_each_other() -> None:
    standing = Standing()
    for _ in range(3):
        for _ in range(LOSSES - 1):
            standing.lost(0)
        standing.answered()
    assert standing.open(0)
    for _ in range(LOSSES):
        standing.lost(0)
    assert not standing.open(0)
    assert standing.open(standing.until)
