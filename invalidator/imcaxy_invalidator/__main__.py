"""`python -m imcaxy_invalidator` is the command."""

import sys

from imcaxy_invalidator.cli import main

sys.exit(main())
