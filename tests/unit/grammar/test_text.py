import pytest

from imcaxy.grammar.text import SHOWN, is_sound, legible


@pytest.mark.parametrize(
    ("text", "sound"),
    [("", True), ("zażółć 🦊", True), ("a\x00b", False), ("\udcff", False)],
)
def test_soundness_of_text_excludes_nul_and_what_is_not_utf8(text: str, sound: bool) -> None:
    assert is_sound(text) is sound


def test_legible_text_can_be_encoded_and_is_short() -> None:
    shown = legible("\udcff\x00" + "x" * 1000)
    assert shown.startswith("\ufffd\ufffdx")
    assert len(shown) == SHOWN + 1
    assert shown.encode()
