"""A run as an inspect_ai log, written by inspect_ai itself, for `inspect view` and others that read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.report.exports.source import Source, votes_of
from recursivemas.runs.metrics import question_shares

STATUS = {"finished": "success", "going on": "started", "broken off": "cancelled"}
"""How a run is getting on, in inspect_ai's words."""
NUM_DIGITS = 22
"""Of ids; inspect_ai's own have as many."""


def write_inspect_log(source: Source, output: Path) -> None:
    """Write the run as a log in inspect_ai's format `eval`.

    Raises UserError where inspect_ai is missing, or what the run kept of a message is damaged, and OSError.
    """
    check_inspect()
    from inspect_ai.log import EvalLog, EvalPlan, EvalPlanStep, EvalStats, write_eval_log

    from recursivemas.report.exports.inspect_sample import sample_of

    models = models_of(source)
    samples = [sample_of(source, sample, models) for sample in source.samples()]
    spec = _spec(source, models)
    ended = source.ended
    log = EvalLog(
        status=STATUS[source.state],
        eval=spec,
        plan=EvalPlan(steps=[EvalPlanStep(solver=source.run.style, params=source.run.settings)]),
        results=_results(source),
        stats=EvalStats(
            started_at=_iso(source.started), completed_at=_iso(ended) if ended else "", **_usages(samples)
        ),
        samples=samples,
    )
    if _reducer(source):
        log.reductions = list(_reductions(source))  # given to EvalLog, they would need results of plain data
    write_eval_log(log, str(output), format="eval")


def check_inspect() -> None:
    """Raise UserError where inspect_ai is not there."""
    try:
        import inspect_ai  # noqa: F401
    except ImportError as error:
        raise UserError(
            "--to inspect needs inspect_ai, which is not installed; pip install 'recursivemas[inspect]'"
        ) from error


def models_of(source: Source) -> dict[str, str]:
    """The agents' models by role."""
    return {role: model or role for role, model in source.run.models.items()}


def _spec(source: Source, models: Mapping[str, str]) -> Any:
    """What ran, and on what."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalSpec
    from inspect_ai.model import GenerateConfig, ModelConfig

    run, config = source.run, source.run.config
    settings, sampling = run.settings, config.get("sampling", {})
    reducer = _reducer(source)
    metrics = [{"name": "inspect_ai/accuracy"}]
    return EvalSpec(
        created=_iso(source.started),
        eval_id=_id_of(source, "eval"),
        run_id=_id_of(source, "run"),
        task_id=_id_of(source, "task"),
        task=run.benchmark,
        task_args={
            name: settings[name] for name in ("dataset", "dataset_path", "dataset_split", "num_samples")
        },
        solver=run.style,
        solver_args=settings,
        dataset=EvalDataset(
            name=run.benchmark,
            location=settings["dataset_path"] or settings["dataset"],
            samples=config["questions"]["number"],
            sample_ids=list(source.rollouts),
        ),
        model=f"recursivemas/{run.style}",
        model_args={"mode": run.mode, "rounds": run.rounds, "latent_length": run.latent_length},
        model_generate_config=GenerateConfig(
            temperature=sampling.get("temperature"),
            top_p=sampling.get("top_p"),
            top_k=sampling.get("top_k"),
            max_tokens=settings["max_new_tokens"],
            seed=settings["seed"],
        ),
        model_roles={
            role: ModelConfig(model=models[role], args=_facts_of(agent))
            for role, agent in config["agents"].items()
        },
        config=EvalConfig(epochs=settings["num_rollouts"], epochs_reducer=[reducer] if reducer else None),
        revision=_revision(config.get("git_revision")),
        packages=config.get("versions", {}),
        metadata={
            "state": source.state,
            "answers": len(run.outcomes),
            "answers_in_the_end": source.num_expected,
            **{
                name: config.get(name) for name in ("questions", "prompts", "release", "outer_links", "tools")
            },
            **{
                name: config.get(name)
                for name in ("graders", "sampling", "platform", "accelerator", "launches")
            },
        },
        scorers=[{"name": grader, "metrics": metrics} for grader in run.graders],
    )


def _facts_of(agent: Mapping[str, Any]) -> dict[str, Any]:
    names = ("revision", "dtype", "device", "hidden_size", "inner_link")
    return {name: agent[name] for name in names if name in agent}


def _revision(text: Any) -> Any:
    """The commit of the code that ran; None where the record has none."""
    from inspect_ai.log import EvalRevision

    if not isinstance(text, str):
        return None
    commit = text.removesuffix("-dirty")
    return EvalRevision(type="git", origin="", commit=commit, dirty=commit != text)


def _reducer(source: Source) -> str | None:
    """How several answers become a question's score, in inspect_ai's words; None for one answer."""
    if source.run.settings["num_rollouts"] == 1:
        return None
    k = max(source.rollouts.values())
    return f"pass_at_{k}" if source.run.metric.startswith("pass@") else "mean"


def _results(source: Source) -> Any:
    """Each grader's figures, as in `summary.json`; inspect_ai's own metrics, computed anew, are the same.

    Votes are no metric of inspect_ai's own: computing anew drops them.
    """
    from inspect_ai.log import EvalMetric, EvalResults, EvalScore, HeadlineMetric

    run, reducer, votes = source.run, _reducer(source), votes_of(source.run)
    scores = []
    for grader in run.graders:
        figures = run.score(grader)
        metrics = {"accuracy": EvalMetric(name="accuracy", value=figures["value"], metadata=figures)}
        if voted := votes.get(grader):
            name = f"maj@{voted['k']}"
            metrics[name] = EvalMetric(name=name, value=voted["value"], metadata=voted)
        scores.append(
            EvalScore(
                name=grader,
                scorer=grader,
                reducer=reducer,
                scored_samples=len(source.rollouts),
                unscored_samples=0,
                metrics=metrics,
            )
        )
    return EvalResults(
        total_samples=source.num_expected,
        completed_samples=len(run.outcomes) - run.num_errors,
        scores=scores,
        headline=HeadlineMetric(scorer=run.graders[0], metric="accuracy"),
    )


def _reductions(source: Source) -> Iterator[Any]:
    """Each question's score by each grader, of all its answers."""
    from inspect_ai.log import EvalSampleReductions, EvalSampleScore

    for grader in source.run.graders:
        shares = question_shares(source.run.outcomes, grader, source.run.metric)
        yield EvalSampleReductions(
            scorer=grader,
            reducer=_reducer(source),
            samples=[EvalSampleScore(value=share, sample_id=question) for question, share in shares.items()],
        )


def _usages(samples: list[Any]) -> dict[str, Any]:
    """The samples' tokens together, by model and by role."""
    from inspect_ai.model import ModelUsage

    totals: dict[str, dict[str, ModelUsage]] = {"model_usage": {}, "role_usage": {}}
    for sample in samples:
        for kind, total in totals.items():
            for name, usage in getattr(sample, kind).items():
                total[name] = total.get(name, ModelUsage()) + usage
    return totals


def _id_of(source: Source, kind: str) -> str:
    """An id that is the same each time the run is exported, and another run's is not."""
    config = source.run.config
    facts = [kind, config["questions"], config.get("started"), source.run.label, source.run.settings]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:NUM_DIGITS]


def _iso(moment: datetime) -> str:
    return moment.isoformat()
