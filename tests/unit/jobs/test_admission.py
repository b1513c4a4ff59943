from hypothesis import given
from hypothesis import strategies as st

from imcaxy.jobs.admission import LONG, MOST_OVERTAKEN, SPARE, Applicant, Room, choose
from imcaxy.processors.base import Cost

MIB = 1024 * 1024
FREE = Room(places=2, memory=100 * MIB, reserved=True)


def short(memory: int = 1) -> Applicant:
    return Applicant(Cost(memory * MIB, LONG / 2))


def long(memory: int = 1) -> Applicant:
    return Applicant(Cost(memory * MIB, LONG * 2))


def test_choose_takes_the_first_that_fits() -> None:
    first, second = long(), short()
    assert choose([first, second], FREE) is first


def test_choose_without_a_free_place_takes_nobody() -> None:
    assert choose([short()], Room(0, MIB)) is None


def test_choose_gives_the_reserved_place_to_a_short_job_only() -> None:
    heavy, light = long(), short()
    last = Room(1, 100 * MIB, reserved=True)
    assert choose([heavy], last) is None
    assert choose([heavy, light], last) is light
    assert heavy.overtaken == 0  # it could not have had that place
    assert choose([heavy, light], Room(1, 100 * MIB)) is heavy


def test_choose_lets_small_ones_pass_one_that_needs_more_memory_so_many_times() -> None:
    large = long(200)
    for _ in range(MOST_OVERTAKEN):
        small = short()
        assert choose([large, small], FREE) is small
    assert choose([large, short()], FREE) is None
    assert choose([large, short()], Room(2, 200 * MIB, reserved=True)) is large


def test_choose_lets_short_ones_pass_for_ever_on_memory_of_their_own() -> None:
    waits = long(200)
    room = Room(2, 0, spare=10 * MIB, reserved=True)
    for _ in range(2 * MOST_OVERTAKEN):
        small = short(10)
        assert choose([waits, small], room) is small
    assert waits.overtaken == 0
    assert choose([waits, short(11)], room) is None
    assert choose([waits, long(1)], room) is None


COSTS = st.builds(Cost, st.integers(0, 100), st.sampled_from((LONG / 2, LONG * 2)))


@given(st.lists(COSTS, min_size=1, max_size=60), st.integers(1, 4))
def test_choose_starts_every_job_and_never_takes_more_than_there_is(
    costs: list[Cost], places: int
) -> None:
    queue, running = [Applicant(cost) for cost in costs], list[Applicant]()
    begun = 0
    while queue:
        costs_now = [one.cost for one in running]
        chosen = choose(queue, Room.beside(costs_now, places, 100, reserved=places > 1))
        if chosen is None:
            assert running, "nobody runs and nobody may begin"
            running.pop(0)
            continue
        queue.remove(chosen)
        running.append(chosen)
        assert sum(one.cost.memory for one in running) <= 100 + 100 // SPARE
        assert sum(one.cost.memory for one in running if one.long) <= 100
        assert len(running) <= places
        begun += 1
    assert begun == len(costs)
