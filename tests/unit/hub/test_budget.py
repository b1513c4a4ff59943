from imcaxy.hub.budget import Budget, Holding


def test_take_past_the_limit_counts_nothing() -> None:
    budget = Budget(10)
    assert budget.take(8)
    assert not budget.take(3)
    assert budget.used == 8


def test_budget_is_full_when_every_byte_is_taken() -> None:
    budget = Budget(10)
    assert budget.take(10)
    assert budget.full


def test_bytes_given_back_can_be_taken_again() -> None:
    budget = Budget(10)
    assert budget.take(10)
    budget.give(4)
    assert budget.take(4)


def test_holding_that_is_forgotten_gives_back_its_bytes() -> None:
    budget = Budget(10)
    holding = Holding(budget)
    assert holding.take(6)
    assert not holding.take(5)
    assert budget.used == 6
    del holding
    assert budget.used == 0


def test_holding_that_is_released_gives_back_its_bytes_once() -> None:
    budget = Budget(10)
    holding = Holding(budget)
    assert holding.take(6)
    holding.release()
    del holding
    assert budget.used == 0
