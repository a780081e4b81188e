"""`python -m refgrad` is `refgrad`."""

import sys

from refgrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
