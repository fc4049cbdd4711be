"""Finished runs, read back from their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.output.tables import NOTHING
from recursivemas.release.names import label_model, short_name
from recursivemas.runs.files import (
    SAMPLES,
    SUMMARY,
    flatten,
    iterate_samples,
    num_expected,
    read_config,
    read_summary,
)
from recursivemas.runs.metrics import Outcome, question_shares, score, total_costs
from recursivemas.runs.record import SampleRecord
from recursivemas.settings import NEUTRAL, OPTIONS
from recursivemas.styles import AgentSpec, LinkSpec, Style
from recursivemas.tools import MAX_CALLS

HOUSEKEEPING = {
    *NEUTRAL,
    "save_latents",
    "lens",
} - {"release"}
"""Settings that change neither the answers nor the agents."""

TOLD_BY_SETTINGS = {
    "tools",
    "tools.max_calls",
    "tools.python.echo",
    "tools.search.base_url",
    "tools.search.offline",
}
"""Of a run's tools, what stands among its settings too; `tools` itself where it has none."""

DEFAULTS = {name: option.default for name, option in OPTIONS.items()}
"""For settings that are younger than a run."""

RUN_COLUMNS = ("run", "style", "mode", "rounds", "latent length", "questions")


class UnfinishedRunError(UserError):
    """A run that can be gone on with, and has no results yet."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run. `label` tells it from the others that it was read with.

    Of its samples it keeps the `outcomes`, in order, and by question what was `asked` (see `fingerprints`).
    """

    label: str
    config: dict[str, Any]
    summary: dict[str, Any]
    outcomes: list[Outcome]
    asked: dict[str, dict[str, int]]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What was set, by name; for settings that are younger than the run their default."""
        return DEFAULTS | {name: row["value"] for name, row in self.config["settings"].items()}

    @property
    def style(self) -> str:
        return self.config["style"]["name"]

    @property
    def mode(self) -> str:
        """`latent`, `text`, or `single: ROLE`."""
        mode = self.settings["mode"]
        return f"single: {self.config['style']['agents'][0]['role']}" if mode == "single" else mode

    @property
    def rounds(self) -> int:
        return 1 if self.settings["mode"] == "single" else self.settings["num_recursive_rounds"]

    @property
    def latent_length(self) -> int | None:
        """None where no latents are passed on."""
        return self.settings["latent_length"] if self.mode == "latent" else None

    @property
    def benchmark(self) -> str:
        """The benchmark's name; for a file of the user's own the file's."""
        return Path(self.settings["dataset"]).stem

    @property
    def metric(self) -> str:
        """`accuracy`, or `pass@k` with the number of rollouts as k."""
        return self.summary["headline"]["metric"]

    @property
    def graders(self) -> list[str]:
        """The names of those that graded every answer, the headline's first."""
        headline = self.summary["headline"]["grader"]
        return [headline, *(name for name in self.outcomes[0].correct if name != headline)]

    @cached_property
    def question_ids(self) -> list[str]:
        return list(self.asked)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The questions' ids, to look one up in."""
        return frozenset(self.question_ids)

    @property
    def num_errors(self) -> int:
        """How many answers could not be run; they count as wrong."""
        return sum(outcome.failed for outcome in self.outcomes)

    @property
    def machine(self) -> str:
        """What the seconds depend on besides the settings: accelerator or platform, batch size, processes."""
        where = self.config["accelerator"] or f"{self.config['platform']}, no accelerator"
        # Processes that share a machine's cores slow each other down.
        processes = max((launch["processes"] for launch in self.config.get("launches", [])), default=1)
        shared = f", {processes} processes" if processes > 1 else ""
        return f"{where}, batch size {self.settings['batch_size']}{shared}"

    def score(self, grader: str) -> dict[str, Any]:
        """The grader's figures, as in the summary: `value`, `interval_95`, ..."""
        return score(self.outcomes, grader, self.metric)

    def majority(self, grader: str) -> dict[str, Any] | None:
        """The vote of all rollouts: `k` of them, `value`, `interval_95`; None where there was none."""
        return majority_of(self.summary.get("metrics", {}).get(grader, {}))

    def shares(self, grader: str, questions: Sequence[str]) -> list[float]:
        """What each question with these ids adds to the metric, from 0 to 1."""
        shares = question_shares(self.outcomes, grader, self.metric)
        return [shares[question] for question in questions]

    def costs_a_question(self, questions: Sequence[str] | None = None) -> dict[str, float]:
        """Tokens, latents and seconds, a question, over all the questions or those with these ids."""
        ids = self.ids if questions is None else frozenset(questions)
        totals = total_costs(outcome for outcome in self.outcomes if outcome.id in ids)
        return {cost: total / len(ids) for cost, total in totals.items()}

    def decisive_settings(self) -> dict[str, Any]:
        """The settings that decide the answers; those that the run's mode does not read are left out.

        Of its tools, what was found on the machine counts as well, such as `tools.search.provider`.
        """
        unread = {"latent": (), "text": ("latent_length",)}.get(
            self.settings["mode"], ("latent_length", "num_recursive_rounds")
        )
        left_out = {*HOUSEKEEPING, *unread, *TOLD_BY_SETTINGS, "batch_size"}
        values = {**self.settings, **flatten("tools", self.config.get("tools"))}
        return {name: value for name, value in values.items() if name not in left_out}

    @property
    def release(self) -> str | None:
        """Where the models come from, in a word; None for the hub."""
        return short_name(self.settings["release"])

    @property
    def models(self) -> dict[str, str]:
        """The agents' models by role, behind the release's name where that is not the hub."""
        repos = {agent["role"]: agent.get("repo") for agent in self.config["style"]["agents"]}
        ids = {role: str(agent.get("repo_id", "")) for role, agent in self.config["agents"].items()}
        release = self.settings["release"]
        return {
            role: label_model(one, one, repos.get(role), release) if one else "" for role, one in ids.items()
        }

    def departures(self) -> list[str]:
        """What keeps the run from standing beside published figures, in words; empty where nothing does.

        Published figures come from the published agents and prompts and all questions of a benchmark.
        """
        settings = self.settings
        found = []
        if self.release is not None:
            found.append(f"{self.release} release")
        found += [f"--ckpt_override {entry}" for entry in settings["ckpt_override"]]
        found += self._departures_of_prompts()
        if settings["dataset_path"] is not None:
            found.append(f"questions from {Path(settings['dataset_path']).name}")
        found += self._departures_of_tools()
        if settings["num_samples"] != -1 or settings["sample_ids"] is not None:
            found.append(f"{len(self.question_ids)} questions only")
        if self.num_errors:
            found.append(f"{self.num_errors} answers not run")
        return found

    def _departures_of_prompts(self) -> list[str]:
        """Runs that are older than the choice of prompts say nothing of theirs."""
        prompts = self.config.get("prompts")
        if prompts is None:
            return []
        own = ["system prompts of one's own"] if prompts.get("system_prompt") else []
        if prompts["origin"] == "published":
            return own
        return [
            *own,
            "default prompts" if prompts["origin"] == "default" else f"prompts of {prompts['name']}",
        ]

    def _departures_of_tools(self) -> list[str]:
        """Published figures of a style with tools come from all of them, searching through Tavily."""
        if not any(agent.get("tools") for agent in self.config["style"]["agents"]):
            return []
        tools = self.config.get("tools")
        if tools is None:
            return ["no tools"]
        search = tools.get("search", {})
        found = []
        if tools["max_calls"] != MAX_CALLS:
            found.append(f"{tools['max_calls']} tool calls")
        if search.get("provider", "tavily") != "tavily" or "base_url" in search:
            found.append(f"searches answered by {search.get('base_url', search['provider'])}")
        return found


def style_of(config: Mapping[str, Any]) -> Style:
    """The graph in a run's record. Raises UserError where it has been edited into one that cannot run."""
    recorded = config["style"]
    return Style(
        name=recorded["name"],
        agents=tuple(AgentSpec(role=agent["role"], repo="", prompt="") for agent in recorded["agents"]),
        links=tuple(
            LinkSpec(**{name: link[name] for name in ("source", "target", "slot", "feedback")}, fresh=True)
            for link in recorded.get("links", ())
        ),
    )


def describe_run(run: Run) -> list[str]:
    """Cells that say which run it is, under RUN_COLUMNS."""
    length = NOTHING if run.latent_length is None else str(run.latent_length)
    return [run.label, run.style, run.mode, str(run.rounds), length, str(len(run.question_ids))]


def majority_of(score: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a summary's figures of a grader say of the majority of all rollouts; see `Run.majority`."""
    values, intervals = score.get("majority_at", {}), score.get("majority_at_interval_95", {})
    numbers = [k for k in values if k in intervals and str(k).isdecimal()]
    if not numbers:
        return None
    last = max(numbers, key=int)  # a number, or a number as JSON's key
    return {"k": int(last), "value": values[last], "interval_95": intervals[last]}


def record_of_run(run: Run, grader: str, costs: Mapping[str, float]) -> dict[str, Any]:
    """The run's figures by that grader, flat, with the costs a question that are given."""
    score, voted = run.score(grader), run.majority(grader) or {}
    low, high = voted.get("interval_95", (None, None))
    return {
        "run": run.label,
        "style": run.style,
        "mode": run.mode,
        "rounds": run.rounds,
        "latent_length": run.latent_length,
        "benchmark": run.benchmark,
        "questions": len(run.question_ids),
        "grader": grader,
        "metric": run.metric,
        "value": score["value"],
        "low_95": score["interval_95"][0],
        "high_95": score["interval_95"][1],
        "majority_of": voted.get("k"),
        "majority": voted.get("value"),
        "majority_low_95": low,
        "majority_high_95": high,
        **{f"{cost}_a_question": value for cost, value in costs.items()},
    }


def saved_share(before: float, after: float) -> float | None:
    """Which share of a cost is saved; None where there was none."""
    return 1 - after / before if before else None


def all_tokens(costs: Mapping[str, float]) -> float:
    """Tokens read, tools' results among them, and written."""
    return costs["prompt_tokens"] + costs["result_tokens"] + costs["generated_tokens"]


def with_interval(figures: Mapping[str, Any]) -> str:
    """A score in percent with its interval: `50.0 [28.0, 72.0]`."""
    low, high = figures["interval_95"]
    return f"{100 * figures['value']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def read_run(path: Path, label: str | None = None) -> Run:
    """The finished run in that folder.

    Raises UserError when the folder holds no run, a damaged one, or one that has not finished.
    """
    config = read_config(path)
    outcomes: list[Outcome] = []
    asked: dict[str, dict[str, int]] = {}
    for sample, _ in iterate_samples(path):
        outcomes.append(Outcome.of(sample))
        asked.setdefault(sample.id, fingerprints(sample))
    expected = num_expected(config)
    summary = read_summary(path)
    if summary is None or len(outcomes) < expected:
        raise UnfinishedRunError(
            f"the run in {path} has not finished: {SAMPLES} holds {len(outcomes)} of {expected} answers, and "
            f"{SUMMARY} {'is missing' if summary is None else 'is there'}. Go on with it with --output_dir "
            f"{path} --resume, or leave it out"
        )
    wanted = {*outcomes[0].correct, summary["headline"]["grader"]}
    for number, outcome in enumerate(outcomes, start=1):
        check_verdicts(path, number, outcome, wanted)
    return Run(
        label=label or path.resolve().name, config=config, summary=summary, outcomes=outcomes, asked=asked
    )


def fingerprints(sample: SampleRecord) -> dict[str, int]:
    """What tells, within this process, whether two samples had the same question and the same gold."""
    return {"question": hash(sample.question), "gold": hash(sample.gold)}


def check_verdicts(path: Path, number: int, outcome: Outcome, wanted: Set[str]) -> None:
    """UserError where a sample, the number-th of that run, has verdicts of other graders than those."""
    if wanted != set(outcome.correct):
        found, needed = ", ".join(outcome.correct) or "nobody", ", ".join(sorted(wanted))
        raise UserError(
            f"sample {number} in {path / SAMPLES} has verdicts of {found}, and the run those of {needed}. "
            "Was it edited? Leave the run out"
        )


def check_given_once(paths: Sequence[Path]) -> None:
    """Raise UserError for a folder that is given twice, under whatever names."""
    for path, count in Counter(path.resolve() for path in paths).items():
        if count > 1:
            raise UserError(f"the run in {path} is given {count} times; give each run once")


def read_runs(paths: Sequence[Path], *, unfinished: list[str] | None = None) -> list[Run]:
    """Finished runs, labelled with their folders' names, or with the paths as given where names repeat.

    Raises UserError for a folder that is given twice, and what `read_run` raises. Where `unfinished` is
    given, runs that have not finished are left out, and why is appended to it, unless none has finished.
    """
    check_given_once(paths)
    names = Counter(path.resolve().name for path in paths)
    runs = []
    for path in paths:
        try:
            runs.append(read_run(path, str(path) if names[path.resolve().name] > 1 else None))
        except UnfinishedRunError as error:
            if unfinished is None:
                raise
            unfinished.append(str(error))
    if not runs and unfinished:
        raise UnfinishedRunError("none of the runs has finished: " + "; ".join(unfinished))
    return runs
