import subprocess
import sys

import pytest

from imcaxy import stores
from imcaxy.clock import Clock
from imcaxy.settings_reading import load
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.blobs.s3 import S3Blobs
from imcaxy.store.catalog.mongo import MongoCatalog
from imcaxy.store.catalog.sqlite import SQLiteCatalog

STACK = {
    "MONGO_CONNECTION_STRING": "mongodb://mongo/imcaxy",
    "MINIO_ENDPOINT": "minio:9000",
    "MINIO_ACCESS_KEY": "access",
    "MINIO_SECRET_KEY": "secret",
}


def test_nothing_set_is_files_and_sqlite() -> None:
    blobs = stores.blobs(load(), Clock())
    assert isinstance(blobs, FileBlobs)
    assert stores.local(blobs) is blobs
    assert isinstance(stores.catalog(load(), Clock()), SQLiteCatalog)


def test_stack_set_is_bucket_and_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STACK.items():
        monkeypatch.setenv(f"IMCAXY_{name}", value)
    blobs = stores.blobs(load(), Clock())
    assert isinstance(blobs, S3Blobs)
    assert blobs.tier == "bucket"
    assert stores.local(blobs) is None
    assert isinstance(stores.catalog(load(), Clock()), MongoCatalog)


def test_stores_bring_no_heavy_library_along() -> None:
    """Commands that ask the catalog alone start fast by it."""
    code = "import sys, imcaxy.stores; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"aiohttp", "pyvips", "motor", "pymongo"} & set(ran.stdout.split()) == set()
