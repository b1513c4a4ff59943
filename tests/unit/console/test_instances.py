from imcaxy.console.instances import NOTE, standings, told
from imcaxy.grammar.variant import LogPosition
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.rows import a_record, an_instance


async def test_states_and_distances_are_told() -> None:
    catalog, clock = FakeCatalog(), FakeClock()
    for number in (1, 2, 3):
        await catalog.append(a_record(number, "k"))
    now = clock.wall()
    rows = [
        an_instance("1", name="web/1", applied=LogPosition(3, "r3"), seen=now - 2.5),
        an_instance("2", name="web/2", applied=LogPosition(1, "r1"), seen=now),
        an_instance("3", name="web/3", left=True, seen=now),
        an_instance("4", name="web/4", seen=now),
    ]
    for row in rows:
        await catalog.write_instance(row)
    catalog.rows.gone.add("4")
    found = await standings(catalog, clock)
    assert [(each.state, each.behind) for each in found] == [
        ("runs", 0),
        ("runs", 2),
        ("left", 3),
        ("dead", 3),
    ]
    assert [each.answers for each in found] == [True, True, False, False]
    lines = told(found)
    assert lines[0].split() == ["instance", "state", "applied", "behind", "seen"]
    assert lines[1].split() == ["web/1", "runs", "3", "0", "2.5", "s", "ago"]
    assert lines[-1] == NOTE


def test_nobody_is_told() -> None:
    assert told([]) == ["No instance has registered."]
