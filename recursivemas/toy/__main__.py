"""`python -m recursivemas.toy build DIR`: write the toy release into a folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from recursivemas.toy.release import build


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m recursivemas.toy", description="The toy release.")
    commands = parser.add_subparsers(dest="command", required=True)
    build_parser = commands.add_parser("build", help="write the toy release into a folder")
    build_parser.add_argument("directory", type=Path, metavar="DIR", help="new, empty, or a toy release")
    directory = parser.parse_args(argv).directory
    try:
        print(build(directory))
    except OSError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
