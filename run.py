"""Run a Recursive Multi-Agent System on a benchmark: `python run.py --help`."""

import sys

from recursivemas.cli import run_main

if __name__ == "__main__":
    sys.exit(run_main())
