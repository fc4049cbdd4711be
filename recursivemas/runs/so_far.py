"""A run as far as it has come, from its samples, finished or not."""

from __future__ import annotations

from pathlib import Path

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.runs.files import num_expected, read_config, read_summary
from recursivemas.runs.metrics import Outcome
from recursivemas.runs.read import Run, check_verdicts, fingerprints
from recursivemas.runs.record import SampleRecord


class RunSoFar:
    """A run that takes in its samples one by one. Raises UserError where the folder holds no run.

    Of a sample stays what it adds to scores and costs.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        self.config = read_config(path)
        self.summary = read_summary(path)
        self.outcomes: list[Outcome] = []
        self._asked: dict[str, dict[str, int]] = {}

    def add(self, sample: SampleRecord) -> None:
        """Take in an answer. Raises UserError for one without the verdicts that the others have."""
        self.outcomes.append(Outcome.of(sample))
        wanted = {*self.outcomes[0].correct, self.headline["grader"]}
        check_verdicts(self.path, len(self.outcomes), self.outcomes[-1], wanted)
        self._asked.setdefault(sample.id, fingerprints(sample))

    def read_state(self) -> None:
        """See whether the run has finished since."""
        self.summary = read_summary(self.path)

    @property
    def run(self) -> Run:
        """The run by now, as reports read it; what a summary alone tells, such as votes, at its end."""
        finished = self.summary if self.is_finished and self.summary else {}
        return Run(
            label=self.label,
            config=self.config,
            summary={**finished, "headline": self.headline},
            outcomes=self.outcomes,
            asked=self._asked,
        )

    @property
    def num_expected(self) -> int:
        """How many answers there are in the end."""
        return num_expected(self.config)

    @property
    def is_finished(self) -> bool:
        return self.summary is not None and len(self.outcomes) >= self.num_expected

    @property
    def headline(self) -> dict[str, str]:
        """Which grader and metric count: as the summary says, before there is one as it is going to."""
        if self.summary is not None:
            return {name: self.summary["headline"][name] for name in ("grader", "metric")}
        settings = {name: row["value"] for name, row in self.config["settings"].items()}
        known = BENCHMARKS.get(settings["dataset"])
        metric = known.metric if known else "accuracy"
        if metric.startswith("pass@"):
            metric = f"pass@{settings['num_rollouts']}"
        grader = next(iter(self.outcomes[0].correct)) if self.outcomes else ""
        return {"grader": grader, "metric": metric}
