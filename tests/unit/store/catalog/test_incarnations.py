import os
from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError
from imcaxy.store.catalog.incarnations import Incarnations
from tests.fakes.clock import FakeClock


@pytest.fixture
def mine(tmp_path: Path) -> Incarnations:
    return Incarnations(tmp_path, Clock())


@pytest.fixture
def other(tmp_path: Path) -> Incarnations:
    return Incarnations(tmp_path, Clock())


def test_held_incarnation_is_not_gone(mine: Incarnations, other: Incarnations) -> None:
    mine.hold("one")
    mine.hold("one")
    assert not mine.is_gone("one")
    assert not other.is_gone("one")
    mine.close()


def test_absent_file_is_gone(mine: Incarnations) -> None:
    assert mine.is_gone("never")


def test_closed_incarnation_is_gone(mine: Incarnations, other: Incarnations) -> None:
    mine.hold("one")
    mine.close()
    assert other.is_gone("one")
    assert mine.is_gone("one")


def test_looking_does_not_take_the_lock(mine: Incarnations, other: Incarnations) -> None:
    mine.hold("one")
    mine.close()
    assert mine.is_gone("one")
    other.hold("one")
    assert not mine.is_gone("one")
    other.close()


def test_descriptor_is_not_inherited(mine: Incarnations) -> None:
    mine.hold("one")
    assert not os.get_inheritable(mine._held["one"])
    mine.close()


def test_incarnation_of_another_cannot_be_held(mine: Incarnations, other: Incarnations) -> None:
    mine.hold("one")
    with pytest.raises(BlockingIOError):
        other.hold("one")
    mine.close()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 129, "é"])
def test_name_that_is_no_file_name_is_refused(mine: Incarnations, name: str) -> None:
    with pytest.raises(CatalogError):
        mine.hold(name)


def test_tidy_removes_old_free_files_without_a_row(tmp_path: Path, mine: Incarnations) -> None:
    clock = FakeClock()
    for name, age in (("known", 100), ("old", 100), ("young", 10), ("held", 100)):
        (tmp_path / name).touch()
        at = clock.wall() - age
        os.utime(tmp_path / name, (at, at))
    mine.hold("held")
    assert Incarnations(tmp_path, clock).tidy({"known"}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"known", "young", "held"}
    mine.close()
