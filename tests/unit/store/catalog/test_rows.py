import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.grammar.variant import LogPosition
from imcaxy.store.catalog import rows
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance

text = st.text(st.characters(exclude_categories=["Cs"]))
texts = st.lists(text).map(tuple)


@given(texts, text, st.integers(0, 2**62))
def test_rows_come_back_equal(keys: tuple[str, ...], word: str, number: int) -> None:
    as_of = LogPosition(number, word)
    entry = an_entry(keys=keys, as_of=as_of)
    assert rows.to_entry(rows.from_entry(entry)) == entry
    record = a_record(number, *keys, urls=keys, project=word)
    assert rows.to_record(rows.from_record(record)) == record
    claim = a_claim(number, keys=keys, as_of=as_of, outcome=word)
    assert rows.to_claim(rows.from_claim(claim)) == claim
    instance = an_instance(name=word, applied=as_of, left=True)
    assert rows.to_instance(rows.from_instance(instance)) == instance


def test_unreadable_list_raises() -> None:
    with pytest.raises(ValueError, match="Unterminated"):
        rows.from_text('["half')
