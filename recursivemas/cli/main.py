"""The command line: argv -> settings -> a run.

What loads torch is imported by the commands that need it: to look at runs takes none of its seconds.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recursivemas import report
from recursivemas.cli import ablate, completion, doctor, profile, push, training
from recursivemas.cli.flags import Parser, add_run_arguments, add_version
from recursivemas.cli.listing import list_datasets, list_styles
from recursivemas.errors import ToldElsewhereError, UserError
from recursivemas.files.whole import FULL, naming_output
from recursivemas.output.redaction import redact_urls
from recursivemas.output.screen import harmless
from recursivemas.release.patience import quiet_retries
from recursivemas.report import compare, export, show, view, watch

MODULES: Mapping[str, tuple[Any, str]] = {
    "ablate": (ablate, "run a system over a grid of links, lengths and rounds"),
    "profile": (profile, "trace one batch of a run, stage by stage"),
    "compare": (compare, "compare runs question by question"),
    "report": (report, "tables and plots of runs beside the published figures"),
    "show": (show, "one question of a run, step by step"),
    "view": (view, "a run as one page, to be opened in a browser"),
    "export": (export, "a run in a form that other tools read"),
    "push": (push, "a run's results into a dataset repository on the hub"),
    "doctor": (doctor, "what this machine has of what runs need"),
    "watch": (watch, "the page of a run that is going on, served on this machine"),
}
"""Commands by name, each a module with `add_arguments` and `run`, and what they are for."""
WRITTEN: Mapping[str, str] = {"run": "--output_dir", "ablate": "--output_dir", "train": "--save_dir"}
"""By command that goes on with what it has written, the flag that names the folder."""

TELLING_S = 1.0
"""Time enough to print a line."""


def main(argv: Sequence[str] | None = None) -> int:
    """`recursivemas COMMAND ...`: returns the exit status, 2 for what the user can mend."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = make_parser(words[:2]).read(words)
    return _guarded(arguments.pop("command"), arguments, WRITTEN.get(words[0]) if words else None)


def make_parser(first: Sequence[str] = (), *, whole: bool = False) -> Parser:
    """The parser of the words that begin so, or with `whole` of all: the flags of `train` take torch."""
    parser = Parser(prog="recursivemas", description="Recursive Multi-Agent Systems.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a system on a benchmark", description="Run a system.")
    add_version(run)
    add_run_arguments(run)
    run.set_defaults(command=_run)

    for name, (module, text) in MODULES.items():
        added = commands.add_parser(name, help=text)
        module.add_arguments(added)
        added.set_defaults(command=module.run)

    completing = commands.add_parser("completion", help="a script that completes commands in a shell")
    completion.add_arguments(completing)
    completing.set_defaults(command=partial(completion.run, make_parser=partial(make_parser, whole=True)))

    for name, text, listing in (
        ("styles", "the published styles, their agents and tools", list_styles),
        ("datasets", "the known datasets, their sources and metrics", list_datasets),
    ):
        listed = commands.add_parser(name, help=text, description=f"List {text}.")
        listed.set_defaults(command=_printing(listing))

    train = commands.add_parser("train", help="train links").add_subparsers(required=True, metavar="LINKS")
    for kind, text in (("inner", "one agent's inner link"), ("outer", "a style's outer links")):
        learning = train.add_parser(kind, help=f"train {text}", description=f"Train {text}.")
        if whole or list(first) == ["train", kind]:  # its settings know links, and those torch
            training.add_arguments(learning, kind)
        learning.set_defaults(command=partial(training.run, kind=kind))

    _add_prompts(commands)

    toy = commands.add_parser("toy", help="the embedded toy release").add_subparsers(
        required=True, metavar="ACTION"
    )
    building = toy.add_parser("build", help="build the toy release in a folder")
    building.add_argument("directory", type=Path, metavar="DIR")
    building.set_defaults(command=_build_toy)
    return parser


def _add_prompts(commands: Any) -> None:
    prompts = commands.add_parser("prompts", help="work with prompt packs").add_subparsers(
        required=True, metavar="ACTION"
    )
    importing = prompts.add_parser("import", help="read the builders of a published prompts.py into a pack")
    importing.add_argument("source", type=Path, metavar="PATH/prompts.py")
    importing.add_argument("-o", "--output", type=Path, required=True, metavar="PACK.yaml")
    importing.add_argument(
        "--choice_lines",
        type=Path,
        metavar="RULE.yaml",
        help="what the builders take for a choice question (default: as the default pack)",
    )
    importing.set_defaults(command=_import_prompts)


def run_main(argv: Sequence[str] | None = None) -> int:
    """`python run.py ...`, the same as `recursivemas run ...`."""
    parser = Parser(prog="run.py", description="Run a Recursive Multi-Agent System on a benchmark.")
    add_version(parser)
    add_run_arguments(parser)
    arguments = parser.read(sys.argv[1:] if argv is None else argv)
    return _guarded(_run, arguments, WRITTEN["run"])


def train_main(kind: str, argv: Sequence[str] | None = None) -> int:
    """`python train/train_inner.py ...`, the same as `recursivemas train inner ...`; so for outer links."""
    arguments = training.main(kind, sys.argv[1:] if argv is None else argv)
    return _guarded(partial(training.run, kind=kind), arguments, WRITTEN["train"])


def _printing(listing: Callable[[], str]) -> Callable[[dict[str, Any]], None]:
    """A command that prints a listing."""
    return lambda _: print(listing())


def _guarded(
    command: Callable[[dict[str, Any]], int | None], arguments: dict[str, Any], folder: str | None
) -> int:
    """The exit status: that of the command, where it has one. `folder` is the flag of what it writes into."""
    status: int | None = None
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # any text can be printed anywhere
    try:
        with quiet_retries():
            status = command(arguments)
        sys.stdout.flush()
    except ToldElsewhereError:
        # A launcher ends all processes with the first that ends, and that is not to be the one that tells.
        time.sleep(TELLING_S)
        return 2
    except UserError as error:
        print(f"error: {harmless(redact_urls(str(error)))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has gone. What is still to be written goes nowhere, also when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        advice = _disk_advice(error, folder) if folder else ""
        print(f"error: {redact_urls(str(error))}{advice}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, without importing it
            raise
        print(f"error: out of memory; lower --batch_size or --max_new_tokens ({error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status or 0


def _disk_advice(error: OSError, folder: str) -> str:
    if error.errno in FULL:
        return ". What was finished is kept: free some space and run again with --resume"
    return f". Give a {folder} that you can write" if error.errno in (errno.EROFS, errno.EACCES) else ""


def _run(arguments: dict[str, Any]) -> None:
    from recursivemas.cli.launch import launch
    from recursivemas.cli.plan import print_plan
    from recursivemas.runs.prepare import prepare

    run = prepare(**arguments)
    if run.settings.record.dry_run:
        print_plan(run)
    else:
        launch(run)


def _import_prompts(arguments: dict[str, Any]) -> None:
    from recursivemas.prompts import check_output, load_choice_rule, read_published

    source, output = arguments["source"], arguments["output"]
    check_output(source, output)
    given = arguments["choice_lines"]
    imported = read_published(source, choice_rule=load_choice_rule(given) if given else None)
    with naming_output(output):
        imported.pack.save(output)
    print(
        f"{output}: prompts of {len(imported.pack.prompts)} agents, verified on {imported.num_questions} "
        f"questions made to tell them apart (sha256 {imported.pack.sha256[:12]})"
    )


def _build_toy(arguments: dict[str, Any]) -> None:
    from recursivemas.zoo import build

    print(build(arguments["directory"]))
