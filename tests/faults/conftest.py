from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.store_on_disk import Disk


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    disk = Disk(tmp_path / "data", 2.0)
    await disk.start()
    yield disk
    await disk.close()
