"""Train a style's outer links: `python train/train_outer.py --help`."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (an older one cannot even read what follows)
    sys.exit(f"error: Python 3.11 or newer is needed, and this is {sys.version.split()[0]}")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a clone need not be installed

from recursivemas.cli.start import train_main

if __name__ == "__main__":
    sys.exit(train_main("outer"))
