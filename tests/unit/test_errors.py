import re

import pytest

from imcaxy import errors
from imcaxy.errors import ImcaxyError, InternalError, SourceTimeout

TREE = re.compile(r"^[│ ]*[├└]─ (\w+)(?: +(\d{3}))?|^(ImcaxyError)$", re.MULTILINE)


def every(root: type[ImcaxyError] = ImcaxyError) -> list[type[ImcaxyError]]:
    return [root, *(found for child in root.__subclasses__() for found in every(child))]


def own(cls: type[ImcaxyError]) -> bool:
    return cls.__module__ == errors.__name__


CLASSES = [cls for cls in every() if own(cls)]


def test_tree_draws_every_class_with_its_status() -> None:
    drawn = {name or root: status for name, status, root in TREE.findall(errors.__doc__ or "")}
    assert drawn.keys() == {cls.__name__ for cls in CLASSES}
    wrong = {
        name
        for name, status in drawn.items()
        if status and int(status) != vars(errors)[name].status
    }
    assert wrong == set()


def test_kinds_are_unique() -> None:
    kinds = [vars(cls)["kind"] for cls in CLASSES if "kind" in vars(cls)]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("cls", CLASSES)
def test_titles_are_public_sentences(cls: type[ImcaxyError]) -> None:
    assert cls.title[0].isupper()
    assert cls.title.endswith(".")
    assert 400 <= cls.status < 600


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if "kind" in vars(cls)])
def test_record_round_trip_keeps_class_and_facts(cls: type[ImcaxyError]) -> None:
    error = cls("no such thing", value="x", accepted="y", retry_after=1.5)
    again = ImcaxyError.from_record(error.to_record())
    assert type(again) is cls
    assert again.to_record() == error.to_record()


def test_record_of_an_unknown_kind_becomes_an_internal_error() -> None:
    assert type(ImcaxyError.from_record({"kind": "from-the-future"})) is InternalError


def test_record_without_detail_says_the_title() -> None:
    assert str(ImcaxyError.from_record({"kind": "source-timeout"})) == SourceTimeout.title


def test_again_gives_an_equal_error_without_the_traceback() -> None:
    error = SourceTimeout("slow", value="v", accepted="a", retry_after=2)
    with pytest.raises(SourceTimeout):
        raise error
    copy = error.again()
    assert type(copy) is SourceTimeout
    assert copy.to_record() == error.to_record()
    assert error.__traceback__ is not None
    assert copy.__traceback__ is None
