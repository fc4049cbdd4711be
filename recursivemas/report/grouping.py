"""Which runs stand side by side: those on the same questions, those that differ in the graph alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.report.published import BENCHMARK_ORDER
from recursivemas.runs.read import Run

GRAPH_SETTINGS = ("mode", "role", "num_recursive_rounds", "latent_length")
"""What a table's rows and a plot's axes show; in all else the runs of a family agree."""


@dataclass(frozen=True)
class QuestionSet:
    """What a run was asked and how that was counted. `file` is the local file's name, if it was one."""

    benchmark: str
    metric: str
    file: str | None
    ids: frozenset[str]

    @classmethod
    def of(cls, run: Run) -> QuestionSet:
        file = run.settings["dataset_path"]
        return cls(run.benchmark, run.metric, file and Path(file).name, run.ids)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Runs of one style on the same questions, alike in all that decides the answers but GRAPH_SETTINGS.

    `name` is the family's own among those of a report, fit for a file name. `apart` says what tells it from
    others of the same style and benchmark; empty where there are none.
    """

    name: str
    style: str
    questions: QuestionSet
    apart: str
    runs: list[Run]

    def of_mode(self, mode: str) -> list[Run]:
        """The runs in that mode, by rounds and then by latent length, fewest first."""
        found = [run for run in self.runs if run.settings["mode"] == mode]
        return sorted(found, key=lambda run: (run.rounds, run.latent_length or 0))

    @property
    def latent_lengths(self) -> list[int]:
        return sorted({run.latent_length for run in self.runs if run.latent_length is not None})

    @property
    def metric(self) -> str:
        """The metric's name as a heading."""
        return "Accuracy" if self.questions.metric == "accuracy" else self.questions.metric

    @property
    def description(self) -> str:
        """What ran on what, and what keeps it from being a published setting."""
        parts = [f"{self.style} on {self.questions.benchmark}, {len(self.questions.ids)} questions"]
        parts += sorted({departure for run in self.runs for departure in run.departures()})
        return ", ".join([*parts, self.apart] if self.apart else parts)

    @property
    def is_comparable(self) -> bool:
        """Whether every run may stand beside published figures."""
        return not any(run.departures() for run in self.runs)


def question_sets(runs: Sequence[Run]) -> dict[QuestionSet, str]:
    """The runs' question sets in the paper's order, with a heading each: `math500 (500)`."""

    def place(found: QuestionSet) -> tuple[Any, ...]:
        order = BENCHMARK_ORDER.index(found.benchmark) if found.benchmark in BENCHMARK_ORDER else 99
        return order, found.benchmark, found.metric, -len(found.ids), found.file or "", min(found.ids)

    headings: dict[QuestionSet, str] = {}
    for found in sorted({QuestionSet.of(run) for run in runs}, key=place):
        metric = "" if found.metric == "accuracy" else f" {found.metric}"
        heading = f"{found.benchmark}{metric} ({len(found.ids)})"
        repeats = sum(other.startswith(heading) for other in headings.values())
        headings[found] = f"{heading} #{repeats + 1}" if repeats else heading
    return headings


def families(runs: Sequence[Run]) -> list[Family]:
    """The runs' families, in the order of styles and benchmarks."""
    headings = question_sets(runs)
    groups: dict[tuple[str, QuestionSet, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.style, QuestionSet.of(run), _other_settings(run, runs)), []).append(run)
    order = sorted(groups, key=lambda key: (key[0], list(headings).index(key[1]), key[2]))
    result: list[Family] = []
    for style, questions, settings in order:
        alike = [key for key in order if key[0] == style and key[1].benchmark == questions.benchmark]
        number = alike.index((style, questions, settings)) + 1
        name = f"{style}-{questions.benchmark}" + (f"-{number}" if len(alike) > 1 else "")
        apart = _what_differs(settings, [key[2] for key in alike])
        result.append(
            Family(
                name="".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name),
                style=style,
                questions=questions,
                apart=apart,
                runs=groups[style, questions, settings],
            )
        )
    return result


def _other_settings(run: Run, runs: Sequence[Run]) -> str:
    """What decides the answers besides the graph, as JSON, to compare by.

    Which tools are used follows from the graph: they count where several of these runs have the same tool and
    it is not set alike.
    """
    decisive = [other.decisive_settings() for other in runs]
    values = {
        name: value
        for name, value in run.decisive_settings().items()
        if name not in GRAPH_SETTINGS
        and not (name.startswith("tools.") and all(other.get(name, value) == value for other in decisive))
    }
    values["dataset_path"] = QuestionSet.of(run).file  # however it was reached
    return json.dumps(values, sort_keys=True)


def _what_differs(settings: str, all_settings: Sequence[str]) -> str:
    """`seed 43, temperature 0.2`: those of the settings that are not the same in all."""
    everyone = list(map(json.loads, all_settings))
    return ", ".join(
        f"{name} {value}"
        for name, value in json.loads(settings).items()
        if any(other.get(name) != value for other in everyone)
    )
