from imcaxy.console.table import aligned


def test_columns_stand_under_each_other() -> None:
    rows = [("a", "count"), ("longer", "5")]
    assert aligned(rows, right={1}) == ["a       count", "longer      5"]


def test_lines_end_with_their_text() -> None:
    assert aligned([("a", "b"), ("c", "long")]) == ["a  b", "c  long"]
