"""What the driver's errors become; the rest is tested on real servers (tests/contract, faults)."""

import pymongo.errors
import pytest

from imcaxy.errors import CatalogError
from imcaxy.store.catalog.mongo_client import Database


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (pymongo.errors.AutoReconnect("cut"), "two:27017 is not reached"),
        (pymongo.errors.ServerSelectionTimeoutError("none"), "IMCAXY_MONGO_CONNECTION_STRING"),
        (pymongo.errors.NotPrimaryError("election"), "no primary"),
        (TimeoutError(), "is not reached"),  # the driver knows no server yet
        (pymongo.errors.OperationFailure("no", 13), "readWrite"),
        (pymongo.errors.OperationFailure("odd", 999), "code 999"),
        (pymongo.errors.InvalidOperation("odd"), "MongoDB failed"),
    ],
)
async def test_error_of_the_driver_becomes_a_sentence_without_secrets(
    error: Exception, sentence: str
) -> None:
    database = Database("mongodb://me:hidden@two:27017/imcaxy", 1.0)
    with pytest.raises(CatalogError, match=sentence) as caught:
        async with database._calling():
            raise error
    assert "hidden" not in caught.value.detail
