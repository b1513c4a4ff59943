from collections.abc import AsyncIterator

import pytest

from imcaxy.processors.vips.processor import VipsProcessor
from tests.unit.processors.vips.making import processor


@pytest.fixture
async def vips() -> AsyncIterator[VipsProcessor]:
    maker = processor()
    yield maker
    await maker.close()
