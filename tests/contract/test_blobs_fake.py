import pytest

from tests.contract.blobs_suite import BlobsSuite, OpenBlobs, Tamper
from tests.fakes.blobs import FakeBlobs


class TestFakeBlobs(BlobsSuite):
    @pytest.fixture
    def store(self) -> FakeBlobs:
        return FakeBlobs()

    @pytest.fixture
    def open_blobs(self, store: FakeBlobs) -> OpenBlobs:
        return lambda: FakeBlobs(store.held)

    @pytest.fixture
    def tamper(self, store: FakeBlobs) -> Tamper:
        return store.held.__setitem__
