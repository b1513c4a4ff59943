"""The server without bursts, which `burst.py` compares with the one that has them."""

import sys

from imcaxy.cli import main
from imcaxy.processors.vips import cost

cost.LONG_DECODE = float("inf")  # seconds: no decode is long enough to be shared

if __name__ == "__main__":
    sys.exit(main())
