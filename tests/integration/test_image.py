"""The production image, beside the tests: only where a container engine runs."""

import pytest

from tests import real
from tests.e2e.wire import Client

pytestmark = pytest.mark.integration("server")


async def test_image_serves_the_gallery_and_a_picture_of_it() -> None:
    client = Client(int(real.address("server").rpartition(":")[2]))
    for target in ("/readyz", "/", "/imaginary/resize?width=80&file=astronaut.jpg"):
        answer = await client.get(target)
        assert (answer.status, answer.whole) == (200, True)
        assert answer.body
    await client.close()
