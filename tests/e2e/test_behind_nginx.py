import pytest

from tests.e2e.front_suite import FrontSuite
from tests.e2e.fronts import Nginx


@pytest.mark.slow
@pytest.mark.needs("nginx")
class TestBehindNginx(FrontSuite):
    front = Nginx
