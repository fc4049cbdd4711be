"""Runs beside each other, on the questions that all of them ran: accuracy, tokens, time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recursivemas.errors import UserError
from recursivemas.output.screen import harmless
from recursivemas.output.tables import NOTHING, Table, TableFormat, to_csv
from recursivemas.runs.intervals import PairedDifference, paired_difference
from recursivemas.runs.read import (
    RUN_COLUMNS,
    Run,
    all_tokens,
    describe_run,
    read_runs,
    record_of_run,
    saved_share,
    with_interval,
)

ComparisonFormat = TableFormat | Literal["json"]
FORMATS = ("text", "markdown", "latex", "csv", "json")

COST_COLUMNS = (
    "run",
    "tokens written",
    "saved",
    "tokens in all",
    "saved",
    "latent steps",
    "seconds",
    "speed-up",
)

SHOWN = ("style", "mode", "role", "num_recursive_rounds", "latent_length")
"""Settings that the table's columns show."""

TEST_NOTES = {
    "McNemar, exact": "p: McNemar's exact test; interval: Newcombe's paired score interval.",
    "sign flips": "Several answers a question: p by sign flips, interval by the bootstrap, over questions.",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run and its costs a question, over the shared questions: tokens, latents, seconds."""

    run: Run
    costs: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Pair(Entry):
    """A run held against the first one.

    `differences` are by grader. `other_settings` holds (first's value, this run's) of the settings that
    decide the answers and differ, beyond those of SHOWN. What is saved is a share of the first run's, None
    where that was nothing.
    """

    differences: dict[str, PairedDifference]
    other_settings: dict[str, tuple[Any, Any]]
    tokens_saved: float | None
    all_tokens_saved: float | None
    speed_up: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several runs; the first is what the others are held against.

    `graders` are those that all runs have, `shared` the ids of the questions that all runs have.
    """

    first: Entry
    pairs: list[Pair]
    graders: list[str]
    shared: list[str]

    @property
    def entries(self) -> list[Entry]:
        return [self.first, *self.pairs]

    def render(self, layout: ComparisonFormat) -> str:
        """The comparison as text, Markdown, LaTeX, CSV or JSON (a record a run and grader)."""
        if layout == "json":
            return json.dumps(self.records(), indent=2, ensure_ascii=False)
        if layout == "csv":
            return to_csv(self.records())
        tables = [self._table_of_runs(), self._table_of_differences(), self._table_of_costs()]
        return "\n\n".join(table.render(layout) for table in tables)

    def records(self) -> list[dict[str, Any]]:
        """A flat record a run and grader, with every figure; None for what the first run has not."""
        against_itself = dict.fromkeys(_record_of_pair(self.pairs[0], self.graders[0]))
        return [
            record_of_run(entry.run, grader, entry.costs)
            | {"shared_questions": len(self.shared)}
            | (_record_of_pair(entry, grader) if isinstance(entry, Pair) else against_itself)
            for entry in self.entries
            for grader in self.graders
        ]

    def _table_of_runs(self) -> Table:
        run = self.first.run
        notes = [
            f"{pair.run.label} is not set as {run.label} is: {differences_in_words(pair)}."
            for pair in self.pairs
            if pair.other_settings
        ]
        notes += [
            f"{entry.run.num_errors} answers of {entry.run.label} were not run; they count as wrong."
            for entry in self.entries
            if entry.run.num_errors
        ]
        return Table(
            title=f"{run.benchmark}, {run.metric} in percent by grader [95% interval]",
            header=[*RUN_COLUMNS, *self.graders],
            rows=[
                [*describe_run(run), *(with_interval(run.score(grader)) for grader in self.graders)]
                for run in (entry.run for entry in self.entries)
            ],
            notes=notes,
        )

    def _table_of_differences(self) -> Table:
        tests = {difference.test for pair in self.pairs for difference in pair.differences.values()}
        return Table(
            title=f"Against {self.first.run.label}, on the {len(self.shared)} questions that all runs have",
            header=["run", "grader", "better on", "worse on", "points", "95% interval", "p"],
            rows=[
                [pair.run.label, grader, *difference_cells(difference)]
                for pair in self.pairs
                for grader, difference in pair.differences.items()
            ],
            notes=[*(TEST_NOTES[test] for test in sorted(tests)), "Each row is one comparison by itself."],
        )

    def _table_of_costs(self) -> Table:
        first = self.first.run
        return Table(
            title=f"Costs a question, on the same questions; saved and speed-up against {first.label}",
            header=COST_COLUMNS,
            rows=[_cost_cells(entry) for entry in self.entries],
            notes=[
                "Tokens in all: read and written, by all agents in all rounds.",
                "Seconds: while agents worked or waited for their tools.",
                *(
                    f"Seconds of {pair.run.label} do not compare: {pair.run.machine}, not {first.machine}."
                    for pair in self.pairs
                    if pair.run.machine != first.machine
                ),
            ],
        )


def compare(runs: Sequence[Path]) -> Comparison:
    """Hold the finished runs in these folders against the first one, question by question.

    Raises UserError for fewer than two runs, for one that has not finished, and for runs that cannot be
    paired: other benchmarks or metrics, no question or grader in common, a question that differs.
    """
    if len(runs) < 2:
        raise UserError(f"compare needs two run folders or more, and got {len(runs)}")
    return compare_runs(read_runs(runs))


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """The same for two runs or more that were read."""
    first, *others = runs
    for run in others:
        _check_same_task(first, run)
    graders = [name for name in first.graders if all(name in run.graders for run in others)]
    shared = [question for question in first.question_ids if all(question in run.ids for run in others)]
    for what, found in [("question", shared), ("grader", graders)]:
        if not found:
            raise UserError(f"the runs have no {what} in common; compare runs on the same question file")
    entry = Entry(run=first, costs=first.costs_a_question(shared))
    pairs = [_pair(entry, run, graders, shared) for run in others]
    return Comparison(first=entry, pairs=pairs, graders=graders, shared=shared)


def _check_same_task(first: Run, run: Run) -> None:
    """UserError where the two ran other benchmarks, count by another metric, or had other questions."""
    names = f"{first.label} and {run.label}"
    if first.benchmark != run.benchmark:
        raise UserError(
            f"{names} ran different benchmarks, {first.benchmark} and {run.benchmark}; compare runs on one"
        )
    if first.metric != run.metric:
        raise UserError(
            f"{names} count differently, by {first.metric} and {run.metric}; compare runs with the same "
            "--num_rollouts"
        )
    for question, asked in run.asked.items():
        for field, fingerprint in asked.items():
            if question in first.ids and fingerprint != first.asked[question][field]:
                raise UserError(
                    f"question {question!r} has another {field} in {run.label} than in {first.label}; "
                    "compare runs on the same file and, where options are shuffled (gpqa), on the same --seed"
                )


def _pair(first: Entry, run: Run, graders: Sequence[str], shared: Sequence[str]) -> Pair:
    before, after = first.run.decisive_settings(), run.decisive_settings()
    costs = run.costs_a_question(shared)
    return Pair(
        run=run,
        costs=costs,
        differences={
            grader: paired_difference(first.run.shares(grader, shared), run.shares(grader, shared))
            for grader in graders
        },
        other_settings={
            name: (before[name], after[name])
            for name in before
            if name in after and name not in SHOWN and before[name] != after[name]
        },
        tokens_saved=saved_share(first.costs["generated_tokens"], costs["generated_tokens"]),
        all_tokens_saved=saved_share(all_tokens(first.costs), all_tokens(costs)),
        speed_up=first.costs["seconds"] / costs["seconds"] if costs["seconds"] else None,
    )


# ---------------------------------------------------------------------------------------------------------
# Figures as cells and as records


def differences_in_words(pair: Pair) -> str:
    """The settings that decide the answers and differ, beyond what the tables show."""
    return "; ".join(f"{name} {now}, not {before}" for name, (before, now) in pair.other_settings.items())


def difference_cells(difference: PairedDifference) -> list[str]:
    low, high = difference.interval_95
    return [
        str(difference.only_second),
        str(difference.only_first),
        f"{100 * difference.value:+.1f}",
        f"[{100 * low:+.1f}, {100 * high:+.1f}]",
        "<0.001" if difference.p_value < 0.001 else f"{difference.p_value:.3f}",
    ]


def _cost_cells(entry: Entry) -> list[str]:
    saved, all_saved, speed_up = (
        (entry.tokens_saved, entry.all_tokens_saved, entry.speed_up)
        if isinstance(entry, Pair)
        else (None, None, None)
    )
    return [
        entry.run.label,
        f"{entry.costs['generated_tokens']:.1f}",
        _percent(saved),
        f"{all_tokens(entry.costs):.1f}",
        _percent(all_saved),
        f"{entry.costs['latent_steps']:.1f}",
        f"{entry.costs['seconds']:.3f}",
        NOTHING if speed_up is None else f"{speed_up:.2f}x",
    ]


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}%"


def _record_of_pair(pair: Pair, grader: str) -> dict[str, Any]:
    difference = pair.differences[grader]
    return {
        "difference": difference.value,
        "difference_low_95": difference.interval_95[0],
        "difference_high_95": difference.interval_95[1],
        "p_value": difference.p_value,
        "test": difference.test,
        "better_on": difference.only_second,
        "worse_on": difference.only_first,
        "tokens_saved": pair.tokens_saved,
        "all_tokens_saved": pair.all_tokens_saved,
        "speed_up": pair.speed_up,
        "other_settings": differences_in_words(pair),
    }


# ---------------------------------------------------------------------------------------------------------
# Command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder; the first is the base")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")


def run(arguments: dict[str, Any]) -> None:
    """`recursivemas compare RUN RUN ...`: print the comparison."""
    print(harmless(compare(arguments["runs"]).render(arguments["format"])))
