"""`python -m recursivemas COMMAND ...`: the command line, also from a clone that is not installed."""

import sys

from recursivemas.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
