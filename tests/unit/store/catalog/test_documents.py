import pytest

from imcaxy.grammar.variant import LogPosition
from imcaxy.store.catalog import documents
from imcaxy.store.catalog.base import Cleared, Trash
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance


def test_rows_come_back_equal() -> None:
    entry = an_entry(as_of=LogPosition(7, "r7"), request="resize?width=1", uses=3)
    assert documents.to_entry(documents.from_entry(entry)) == entry
    record = a_record(4, "file", "host")
    assert documents.to_record(documents.from_record(record)) == record
    claim = a_claim(2, beat=5, outcome="{}")
    assert documents.to_claim(documents.from_claim(claim)) == claim
    cleared = Cleared(3, 1, ("resize?",), last=True)
    assert documents.to_cleared(documents.from_cleared(cleared)) == cleared
    trash = Trash("blob", 7.25, 9)
    assert documents.to_trash(documents.from_trash(trash)) == trash
    instance = an_instance(applied=LogPosition(2, "r2"), left=True)
    assert documents.to_instance(documents.from_instance(instance, None)) == instance


def test_claims_of_one_number_with_other_blobs_have_other_ids() -> None:
    ids = {documents.claim_id(a_claim(1, blob=blob)) for blob in ("one", "two")}
    assert len(ids) == 2


def test_burials_of_one_blob_at_other_times_have_other_ids() -> None:
    ids = {documents.from_trash(Trash("blob", at))["_id"] for at in (1, 1.0, 1.5)}
    assert len(ids) == 2


@pytest.mark.parametrize("document", [{}, {"_id": "blob"}, {"_id": "blob", "keys": 3}])
def test_strange_document_is_a_value_error(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="fields"):
        documents.read_with(documents.to_entry, document)
