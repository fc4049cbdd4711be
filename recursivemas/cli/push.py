"""`recursivemas push RUN REPO`: a finished run's results into a dataset repository on the hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recursivemas.runs.push import push_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas push`."""
    parser.description = (
        "Push a run's config, summary and samples, without secrets, into a folder of a dataset repository. "
        "One that is not there is made, private."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("repo", metavar="REPO", help="the dataset repository, OWNER/NAME")
    parser.add_argument("--name", metavar="TEXT", help="the folder there (default: the run folder's name)")
    parser.add_argument("--no_samples", action="store_true", help="push no questions and answers")
    parser.add_argument(
        "--public", action="store_true", help="into a public repository, which a new one is then"
    )


def run(arguments: dict[str, Any]) -> None:
    """Push, and print the address."""
    told = {"samples": not arguments["no_samples"], "public": arguments["public"]}
    print(push_run(arguments["run"], arguments["repo"], name=arguments["name"], **told))
