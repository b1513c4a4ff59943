import subprocess
import sys

import pytest

from imcaxy import adapters
from imcaxy.clock import Clock
from imcaxy.settings import load
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
    blobs = adapters.blobs(load(), Clock())
    assert isinstance(blobs, FileBlobs)
    assert adapters.local(blobs) is blobs
    assert isinstance(adapters.catalog(load(), Clock()), SQLiteCatalog)


def test_stack_set_is_bucket_and_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STACK.items():
        monkeypatch.setenv(f"IMCAXY_{name}", value)
    blobs = adapters.blobs(load(), Clock())
    assert isinstance(blobs, S3Blobs)
    assert blobs.tier == "bucket"
    assert adapters.local(blobs) is None
    assert isinstance(adapters.catalog(load(), Clock()), MongoCatalog)


def test_libraries_of_the_stack_are_not_imported_before_they_are_used() -> None:
    code = (
        "import sys, imcaxy.app; "
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('motor', 'pymongo', 'bson', 'miniopy_async', 'aiohttp_retry', 'Crypto')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
