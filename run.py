"""Run a Recursive Multi-Agent System on a benchmark: `python run.py --help`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an older one cannot even read what follows)
    sys.exit(f"error: Python 3.11 or newer is needed, and this is {sys.version.split()[0]}")

from recursivemas.cli.start import run_main

if __name__ == "__main__":
    sys.exit(run_main())
