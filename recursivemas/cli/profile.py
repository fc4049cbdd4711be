"""`recursivemas profile`: argv -> a batch of a run, solved under PyTorch's profiler -> a trace by stage."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recursivemas.cli.flags import PUSHING, add_run_arguments
from recursivemas.errors import UserError
from recursivemas.files.whole import check_writable
from recursivemas.output.tables import format_table

if TYPE_CHECKING:
    from recursivemas.question import Question
    from recursivemas.recursion.batches import Batches

NOT_A_TRACES = (
    *("lcb_use_private_tests", "judge_model", "judge_base_url"),
    *("output_dir", "resume", "result_jsonl", "log_with", *PUSHING, "dry_run"),
)
"""Settings of a run that a trace does not read: nothing is graded, and no run folder is written."""
ENDINGS = (".json", ".json.gz")
DEFAULT_TRACE = Path("trace.json.gz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas profile`: those of a run, and where the trace goes."""
    parser.description = (
        "Solve the first batch of a run twice, the second time under PyTorch's profiler, and write a trace "
        "that ui.perfetto.dev opens: a span a turn, and in it what was read, thought and written. Ask for "
        "few steps and tokens: each operation of each step is in it."
    )
    parser.add_argument(
        "--trace",
        type=Path,
        default=DEFAULT_TRACE,
        metavar="FILE",
        help=f"the trace, {' or '.join(ENDINGS)} (default: {DEFAULT_TRACE})",
    )
    add_run_arguments(parser, without=NOT_A_TRACES)


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas profile`: write the trace, and print the seconds of its spans."""
    given = dict(arguments)
    trace: Path = given.pop("trace")
    if not trace.name.endswith(ENDINGS):
        raise UserError(f"trace {trace} ends on neither {' nor '.join(ENDINGS)}; give such a --trace FILE")
    check_writable(trace.parent, "trace")

    from recursivemas.runs.prepare import prepare
    from recursivemas.settings import SWEEP

    prepared = prepare(**given)
    if prepared.settings.solve.latent_length == SWEEP:
        raise UserError(f"a trace is of one latent_length, and {SWEEP} stands for several; give one")
    prepared.benchmark.check_style(prepared.style)
    with tempfile.TemporaryDirectory() as folder, prepared.load() as system:
        solving, toolbox = prepared.settings.solve, prepared.toolbox_in(Path(folder))
        batches = system.batches(solving, toolbox, prepared.questions)
        questions = prepared.questions[: batches.size]
        seconds = write_trace(trace, lambda: _solve(batches, questions))
    print(_format_spans(seconds))
    count = len(questions)
    print(f"{count} question{'s' * (count != 1)}; open {trace} in https://ui.perfetto.dev", file=sys.stderr)


def _solve(batches: Batches, questions: Sequence[Question]) -> None:
    """Solve them; UserError where none of them can run, and a trace would be empty."""
    parts = [solutions for part in batches.solve(questions) for solutions in part.values()]
    errors = [solutions[0].error for solutions in parts]
    if errors and all(errors):
        raise UserError(f"there is nothing to trace: none of the batch's questions could run; {errors[0]}")


def write_trace(trace: Path, solve: Callable[[], object]) -> dict[tuple[str, ...], float]:
    """Solve to warm up, and once more into a trace.

    Returns the seconds of each span of ours, those inside it included, by its name behind the names of the
    spans that it lies in.
    """
    from torch.profiler import profile

    print("solving the batch once to warm up, then under the profiler", file=sys.stderr)
    solve()
    with profile() as profiler:
        solve()
    trace.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(trace))
    seconds: dict[tuple[str, ...], float] = defaultdict(float)
    for event in profiler.events() or ():
        names = _names(event)
        if event.is_user_annotation and names[0].startswith("round "):
            seconds[names] += event.time_range.elapsed_us() / 1e6
    return dict(seconds)


def _names(event: Any) -> tuple[str, ...]:
    """The span's name behind those of the spans around it."""
    names: list[str] = []
    while event is not None:
        names.insert(0, event.name)
        event = event.cpu_parent
    return tuple(names)


def _format_spans(seconds: Mapping[tuple[str, ...], float]) -> str:
    """A line a span, indented as they lie in each other, with its share of all turns."""
    total = sum(value for names, value in seconds.items() if len(names) == 1)
    rows = [
        [f"{'. ' * (len(names) - 1)}{names[-1]}", f"{value:.3f}", f"{100 * value / total:.1f}%"]
        for names, value in seconds.items()
    ]
    return format_table(["span", "seconds", "share"], rows)
