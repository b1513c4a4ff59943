import pytest

from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.globs import Selection


@pytest.mark.parametrize(
    "path",
    ["a.png", "deep/down/a.PNG", "a.tar.webp", ".png", "x/a b.jpeg", "x\ny.svg", "e\u0301.avif"],
)
def test_images_count_by_default(path: str) -> None:
    assert Selection().takes(path)


@pytest.mark.parametrize("path", ["a.txt", "png", "a.png/b", "a.png.txt", "apng", ""])
def test_other_files_do_not_count_by_default(path: str) -> None:
    assert not Selection().takes(path)


@pytest.mark.parametrize(
    ("pattern", "takes", "leaves"),
    [
        ("*.png", ["a.png", "x/y/a.png"], ["a.png/b", "apng"]),
        ("public/*.png", ["public/a.png"], ["a.png", "x/public/a.png", "public/x/a.png"]),
        ("/*.png", ["a.png"], ["x/a.png"]),
        ("./a.png", ["a.png"], []),
        ("public/**", ["public/a", "public/x/y"], ["public", "xpublic/a"]),
        ("public/", ["public/a", "public/x/y"], ["public"]),
        ("**/icons/*", ["icons/a", "x/y/icons/a"], ["xicons/a", "icons/x/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("x**y/z", ["xy/z", "x/1/y/z"], ["x/z"]),
        ("a?c", ["abc", "x/a?c"], ["ac", "a/c"]),
        ("[ab]x", ["ax", "bx"], ["cx", "x"]),
        ("[!ab]x", ["cx"], ["ax", "/x"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("[]]x", ["]x"], ["ax"]),
        ("[x", ["[x"], ["x"]),
        ("a[[]b", ["a[b"], ["ab"]),
        ("{a,b}.{png,gif}", ["a.png", "b.gif"], ["c.png", "{a,b}.png"]),
        ("x{,y{1,2}}", ["x", "xy1", "xy2"], ["xy"]),
        ("a+b(c).png", ["a+b(c).png"], ["aab(c).png"]),
        ("\u00e9.png", ["\u00e9.png", "e\u0301.png"], ["e.png"]),
        ("*.PNG", ["a.png"], []),
    ],
)
def test_patterns_take_and_leave(pattern: str, takes: list[str], leaves: list[str]) -> None:
    selection = Selection([pattern])
    assert [it for it in takes if not selection.takes(it)] == []
    assert [it for it in leaves if selection.takes(it)] == []


def test_exclude_wins_and_is_exact_about_letters() -> None:
    selection = Selection(exclude=["Draft-*", "private/"])
    assert not selection.takes("x/Draft-1.png")
    assert not selection.takes("private/a/b.png")
    assert selection.takes("x/draft-1.png")


@pytest.mark.parametrize("pattern", ["", "./", "[z-a]"])
def test_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(Misused, match="pattern"):
        Selection([pattern])
