"""`python -m imcaxy` is the `imcaxy` command."""

import sys

from imcaxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
