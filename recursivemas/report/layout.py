"""A report's tables: every run, the paper's table of rounds, styles by benchmarks, and what latents save."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recursivemas.errors import UserError
from recursivemas.output.tables import NOTHING, Table
from recursivemas.report.grouping import QuestionSet, families, question_sets
from recursivemas.report.published import AGAINST_TEXT, by_rounds, counts_as_published, single_run
from recursivemas.runs.read import HOUSEKEEPING, RUN_COLUMNS, Run, describe_run, saved_share, with_interval

SEVERAL = " / "

SHOWN = {"style", "mode", "role", "num_recursive_rounds", "latent_length", "dataset", *HOUSEKEEPING}
"""Settings that need not be named again: other columns show them, or they decide nothing."""


def choose_grader(run: Run, wanted: str | None = None) -> str:
    """The grader that a report counts by: the wanted one, else the release's (as published), else the first.

    Raises UserError when the run was not graded by the wanted one.
    """
    if wanted is None:
        return "release" if "release" in run.graders else run.graders[0]
    if wanted not in run.graders:
        raise UserError(
            f"{run.label} was not graded by {wanted!r}; its graders are {', '.join(run.graders)}. "
            "Give one of these as --grader, or leave it out"
        )
    return wanted


def table_of_runs(runs: Sequence[Run], grader: str | None = None) -> Table:
    """A row a run, ordered by what ran; never by score."""
    headings = question_sets(runs)
    voted = any(run.majority(choose_grader(run, grader)) for run in runs)
    rows = []
    for run in sorted(runs, key=lambda run: _place(run, headings)):
        costs = run.costs_a_question()
        chosen = choose_grader(run, grader)
        rows.append(
            [
                *describe_run(run)[:-1],
                headings[QuestionSet.of(run)],
                with_interval(run.score(chosen)),
                *([_majority(run, chosen)] if voted else []),
                chosen,
                f"{costs['generated_tokens']:.1f}",
                f"{costs['latent_steps']:.1f}",
                f"{costs['seconds']:.3f}",
                _set_by_hand(run),
            ]
        )
    return Table(
        title="Every run: percent [95% interval], and costs a question",
        header=[
            *RUN_COLUMNS[:-1],
            "benchmark (questions)",
            "percent",
            *(["by majority"] if voted else []),
            "grader",
            "tokens written",
            "latent steps",
            "seconds",
            "set by hand",
        ],
        rows=rows,
    )


def table_by_rounds(runs: Sequence[Run], grader: str | None = None) -> Table:
    """Rounds by benchmarks, latents with text mode in brackets, as the paper's Table 2 has it."""
    runs = [run for run in runs if run.settings["mode"] != "single"]
    headings = question_sets(runs)
    rows = []
    for style, rounds in sorted({(run.style, run.rounds) for run in runs}):
        here = [run for run in runs if (run.style, run.rounds) == (style, rounds)]
        texts = [run for run in here if run.latent_length is None]
        latent_runs = [run for run in here if run.mode == "latent"]
        for length in sorted({run.latent_length or 0 for run in latent_runs}) if latent_runs else [None]:
            latents = [run for run in latent_runs if run.latent_length == length]
            cells = [
                _bracketed(_values(latents, found, grader), _values(texts, found, grader))
                for found in headings
            ]
            label = "ours" if length is None else f"ours, latent length {length}"
            rows.append([style, str(rounds), label, *cells])
        rows += _published_row([style, str(rounds), "published"], headings, _paper_cell(style, rounds))
    return Table(
        title="Percent by rounds: latent (text mode)",
        header=["style", "rounds", "source", *headings.values()],
        rows=rows,
        notes=["Published: Table 2 of the paper."],
    )


def table_by_style(runs: Sequence[Run], grader: str | None = None) -> Table:
    """Styles and settings by benchmarks, with intervals, and the release's published runs."""
    headings = question_sets(runs)
    rows = []
    for style in sorted({run.style for run in runs}):
        here = [run for run in runs if run.style == style]
        for kind in dict.fromkeys(_kind(run) for run in sorted(here, key=lambda run: _place(run, headings))):
            alike = [run for run in here if _kind(run) == kind]
            cells = [_values(alike, found, grader, intervals=True) for found in headings]
            rows.append([style, *kind, *(cell or NOTHING for cell in cells)])
        blank = [NOTHING, NOTHING]
        rows += _published_row([style, "published", *blank], headings, _release_cell(style))
    return Table(
        title="Percent by style [95% interval]",
        header=["style", "mode", "rounds", "latent length", *headings.values()],
        rows=rows,
        notes=["Published: the release's single runs."],
    )


def table_of_savings(runs: Sequence[Run]) -> Table:
    """What each latent run saves against each text run with the same rounds, alike in all else."""
    headings = question_sets(runs)
    rows = []
    for family in families(runs):
        for latent in family.of_mode("latent"):
            for text in family.of_mode("text"):
                if latent.rounds == text.rounds:
                    cells = [family.style, headings[family.questions], str(latent.rounds)]
                    rows.append([*cells, str(latent.latent_length), *_savings(latent, text)])
    rows += [
        [
            "published",
            NOTHING,
            str(rounds),
            NOTHING,
            NOTHING,
            NOTHING,
            f"{100 * saved:.1f}%",
            f"{faster:.1f}x",
        ]
        for rounds, (faster, saved) in AGAINST_TEXT.items()
        if any(row[2] == str(rounds) for row in rows)
    ]
    return Table(
        title="Latents against text mode: tokens written a question, and speed-up",
        header=["style", "benchmark", "rounds", "latent length", "text", "latent", "saved", "speed-up"],
        rows=rows,
        notes=[
            "Published: the paper's figures over its benchmarks. No speed-up is given where the two ran on "
            "different machines or with different batch sizes."
        ],
    )


def _majority(run: Run, grader: str) -> str:
    """maj@k with its interval, where the run has several answers to a question."""
    voted = run.majority(grader)
    return f"{with_interval(voted)} (maj@{voted['k']})" if voted else NOTHING


def _savings(latent: Run, text: Run) -> list[str]:
    ours, theirs = latent.costs_a_question(), text.costs_a_question()
    saved = saved_share(theirs["generated_tokens"], ours["generated_tokens"])
    timed = latent.machine == text.machine and ours["seconds"] > 0
    return [
        f"{theirs['generated_tokens']:.1f}",
        f"{ours['generated_tokens']:.1f}",
        NOTHING if saved is None else f"{100 * saved:.1f}%",
        f"{theirs['seconds'] / ours['seconds']:.2f}x" if timed else NOTHING,
    ]


# ---------------------------------------------------------------------------------------------------------
# Cells


def _values(
    runs: Sequence[Run], questions: QuestionSet, grader: str | None, *, intervals: bool = False
) -> str:
    """What all these runs scored on the questions: every one of them, in the order given; else empty."""
    scores = [run.score(choose_grader(run, grader)) for run in runs if QuestionSet.of(run) == questions]
    return SEVERAL.join(
        with_interval(score) if intervals else f"{100 * score['value']:.1f}" for score in scores
    )


def _bracketed(latent: str, text: str) -> str:
    return f"{latent or NOTHING} ({text})" if text else latent or NOTHING


def _published_row(
    label: list[str], headings: dict[QuestionSet, str], cell: Callable[[str], str | None]
) -> list[list[str]]:
    """The row of published figures, or no row where there are none."""
    cells = [
        cell(found.benchmark) if counts_as_published(found.benchmark, found.metric) else None
        for found in headings
    ]
    return [[*label, *(text or NOTHING for text in cells)]] if any(cells) else []


def _paper_cell(style: str, rounds: int) -> Callable[[str], str | None]:
    def cell(benchmark: str) -> str | None:
        figures = by_rounds(style, benchmark, rounds)
        return None if figures is None else f"{figures.latent} ({figures.text})"

    return cell


def _release_cell(style: str) -> Callable[[str], str | None]:
    def cell(benchmark: str) -> str | None:
        figure = single_run(style, benchmark)
        return None if figure is None else str(figure)

    return cell


def _kind(run: Run) -> tuple[str, str, str]:
    """Mode, rounds and latent length, as cells."""
    _, _, mode, rounds, length, _ = describe_run(run)
    return mode, rounds, length


def _place(run: Run, headings: dict[QuestionSet, str]) -> tuple[str, int, str, int, int, str]:
    found = list(headings).index(QuestionSet.of(run))
    return run.style, found, run.mode, run.rounds, run.latent_length or 0, run.label


def _set_by_hand(run: Run) -> str:
    return ", ".join(
        f"{name} {row['value']}"
        for name, row in run.config["settings"].items()
        if row["origin"] == "explicit" and name not in SHOWN
    )
