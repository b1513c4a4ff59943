import pytest

from tests.e2e.front_suite import FrontSuite
from tests.e2e.fronts import Varnish


@pytest.mark.slow
@pytest.mark.needs("varnishd")
class TestBehindVarnish(FrontSuite):
    front = Varnish
    no_grace = ("-p", "default_grace=0")
