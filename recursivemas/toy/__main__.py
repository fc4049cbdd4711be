"""`python -m recursivemas.toy`: train the toy again, write the untrained one, or the held-out questions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy.rows import write_held_out, write_tolls, write_training_rows
from recursivemas.toy.train import Recipe, train_release
from recursivemas.zoo import build


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
    except OSError as error:
        _parser().error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recursivemas.toy", description=__doc__.split(": ", 1)[1])
    commands = parser.add_subparsers(dest="which", required=True)
    build_parser = commands.add_parser("build", help="write the untrained toy release into a folder")
    build_parser.add_argument("directory", type=Path, metavar="DIR", help="new, empty, or a toy release")
    build_parser.set_defaults(command=lambda given: print(build(given.directory)))
    train = commands.add_parser("train", help="train the toy's agents and links, into a release folder")
    train.add_argument(
        "directory", type=Path, metavar="DIR", help="new, or of a training that was broken off"
    )
    train.add_argument("--seed", type=int, default=Recipe.seed, help="of agents and links")
    train.add_argument(
        "--styles", nargs="+", choices=sorted(PUBLISHED_STYLES), default=list(PUBLISHED_STYLES)
    )
    train.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    train.set_defaults(command=_train)
    questions = commands.add_parser(
        "questions", help="write the held-out questions and the tolls into a folder"
    )
    questions.add_argument("directory", type=Path, metavar="DIR")
    questions.set_defaults(command=_questions)
    rows = commands.add_parser("rows", help="write a style's rows to train links on into a folder")
    rows.add_argument("directory", type=Path, metavar="DIR")
    rows.add_argument("--style", choices=sorted(PUBLISHED_STYLES), default="sequential_light")
    rows.set_defaults(command=_rows)
    return parser


def _train(given: argparse.Namespace) -> None:
    recipe = Recipe(seed=given.seed, link_seed=given.seed)
    print(train_release(given.directory, recipe, styles=given.styles, num_workers=given.workers))


def _questions(given: argparse.Namespace) -> None:
    given.directory.mkdir(parents=True, exist_ok=True)
    write_held_out(given.directory / "toy_heldout.jsonl")
    write_tolls(given.directory / "toy_tolls")
    print(given.directory)


def _rows(given: argparse.Namespace) -> None:
    given.directory.mkdir(parents=True, exist_ok=True)
    write_training_rows(given.directory, PUBLISHED_STYLES[given.style])
    print(given.directory)


if __name__ == "__main__":
    raise SystemExit(main())
