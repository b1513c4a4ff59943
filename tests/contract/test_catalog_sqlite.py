from pathlib import Path

import pytest

from imcaxy.clock import Clock
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from tests.contract.catalog_suite import CatalogSuite, OpenCatalog


class TestSQLiteCatalog(CatalogSuite):
    @pytest.fixture
    def open_catalog(self, tmp_path: Path) -> OpenCatalog:
        return lambda: SQLiteCatalog(tmp_path, Clock())
