from pathlib import Path

import pytest

from imcaxy.store.blobs.files import FileBlobs
from tests.contract.blobs_suite import BlobsSuite, OpenBlobs, Tamper


class TestFileBlobs(BlobsSuite):
    @pytest.fixture
    def open_blobs(self, tmp_path: Path) -> OpenBlobs:
        return lambda: FileBlobs(tmp_path / "blobs")

    @pytest.fixture
    def tamper(self, tmp_path: Path) -> Tamper:
        def replace(name: str, body: bytes) -> None:
            (tmp_path / "blobs" / name[:2] / name).write_bytes(body)

        return replace
