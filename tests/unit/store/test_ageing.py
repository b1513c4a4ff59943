from imcaxy.store.ageing import Ageing
from imcaxy.store.catalog.base import Entry
from tests.fakes.clock import FakeClock
from tests.fakes.rows import an_entry


class World:
    def __init__(self, longest: float, due_after: float) -> None:
        self.clock, self.due = FakeClock(), list[Entry]()
        made = an_entry()
        self.entry = made
        self.ageing = Ageing(self.clock, longest=longest, due_after=due_after, due=self.due.append)
        self.age = self.clock.wall() - made.head.made_at


def test_entry_that_is_young_is_neither_due_nor_over() -> None:
    world = World(longest=10_000, due_after=5_000)
    assert world.age < 5_000
    assert not world.ageing.is_over(world.entry)
    assert world.due == []


async def test_old_entry_is_due_and_served_until_it_is_over() -> None:
    world = World(longest=10_000, due_after=5_000)
    await world.clock.advance(5_000 - world.age + 1)
    assert not world.ageing.is_over(world.entry)
    assert world.due == [world.entry]
    await world.clock.advance(5_000)
    assert world.ageing.is_over(world.entry)
    assert len(world.due) == 1, "what is made anew need not be asked for"


async def test_nothing_set_is_for_ever() -> None:
    world = World(longest=0, due_after=0)
    await world.clock.advance(1e9)
    assert not world.ageing.is_over(world.entry)
    assert world.due == []
