import pytest

from imcaxy.errors import StoreFull
from imcaxy.store.catalog.base import Usage
from imcaxy.store.eviction import footprint
from imcaxy.store.room import DiskRoom

ROW = footprint(0)
NOTHING = Usage(0, 0)


def test_room_refuses_nothing_before_the_first_reading() -> None:
    room = DiskRoom(10)
    with room.writing() as writing:
        writing.add(10**9)
    assert room.left is None


def test_room_is_shared_among_processes() -> None:
    room = DiskRoom(1_000_000)
    room.learn(NOTHING, 4)
    assert room.left == 250_000


def test_room_is_bounded_by_what_the_file_system_has() -> None:
    room = DiskRoom(1_000_000)
    room.learn(NOTHING, 1, free=1000)
    assert room.left == 1000
    room.learn(NOTHING, 1, free=0)
    assert room.pressed
    with pytest.raises(StoreFull), room.writing():
        pytest.fail("there is no room")


def test_write_past_the_room_is_refused_and_those_after_it() -> None:
    room = DiskRoom(100_000)
    room.learn(NOTHING, 1)
    with room.writing() as writing:
        writing.add(90_000)
        with pytest.raises(StoreFull):
            writing.add(10_000)
    with pytest.raises(StoreFull), room.writing():
        pytest.fail("there is no room")


def test_reading_does_not_give_back_what_is_still_being_written() -> None:
    room = DiskRoom(100_000)
    room.learn(NOTHING, 1)
    with room.writing() as writing:
        writing.add(50_000)
        room.learn(NOTHING, 1)
        assert room.left == 50_000 - ROW
    room.learn(Usage(1, 50_000), 1)
    assert room.left is not None
    assert 40_000 < room.left < 50_000
    room.learn(NOTHING, 1)
    assert room.left == 100_000


def test_marks_are_those_of_a_file_system_smaller_than_the_limit() -> None:
    room = DiskRoom(1_000_000)
    room.learn(Usage(0, 300_000), 1, free=100_000)
    assert room.marks.limit == 400_000
    room.learn(Usage(0, 300_000), 1, free=10**9)
    assert room.marks.limit == 1_000_000


def test_room_is_pressed_on_half_of_the_way_to_the_high_mark() -> None:
    room = DiskRoom(100_000)
    room.learn(NOTHING, 1)
    with room.writing() as writing:
        writing.add(44_000 - ROW)
        pressed = [room.pressed]
        writing.add(2000)
        pressed.append(room.pressed)
        assert pressed == [False, True]
    room.learn(NOTHING, 1)
    assert not room.pressed


def test_reading_above_the_high_mark_presses_at_once() -> None:
    room = DiskRoom(100_000)
    pressed = []
    for taken in (85_000, 91_000):
        room.learn(Usage(0, taken), 1)
        pressed.append(room.pressed)
    assert pressed == [False, True]


def test_what_was_recorded_while_the_catalog_was_read_counts() -> None:
    room = DiskRoom(1_000_000)
    since = room.recorded
    with room.writing() as writing:  # its entry comes after the catalog was counted
        writing.add(100_000)
    room.learn(NOTHING, 1, since=since)
    assert room.left == 1_000_000 - 100_000 - ROW
    room.learn(NOTHING, 1, since=room.recorded)
    assert room.left == 1_000_000


def test_room_is_less_by_what_the_catalogs_file_has_beside_its_rows() -> None:
    room = DiskRoom(1_000_000)
    room.learn(Usage(0, 0, catalog_bytes=300_000), 1)
    assert room.left == room.marks.limit == 700_000
    room.learn(Usage(0, 0, catalog_bytes=10**9), 1)  # of a time when the limit was higher
    assert room.left == 500_000
