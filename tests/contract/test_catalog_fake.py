import pytest

from tests.contract.catalog_suite import CatalogSuite, OpenCatalog
from tests.fakes.catalog import FakeCatalog, Rows


class TestFakeCatalog(CatalogSuite):
    @pytest.fixture
    def open_catalog(self) -> OpenCatalog:
        rows = Rows()
        return lambda: FakeCatalog(rows)
