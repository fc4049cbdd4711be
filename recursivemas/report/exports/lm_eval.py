"""A run as the files that lm-evaluation-harness writes: one of results, one of samples.

The fields are those of its `lm_eval/result_schema.py`, the names of files those of its
`lm_eval/loggers/evaluation_tracker.py` (0.4.13). A grader has a filter's place there: it is what reads an
answer from a text, and there is a line a question and grader. Several answers to a question are its repeats.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC
from math import sqrt
from pathlib import Path
from statistics import stdev
from typing import IO, Any

from recursivemas.files.whole import written_whole
from recursivemas.report.exports.source import Source, votes_of
from recursivemas.runs.folder import to_bytes
from recursivemas.runs.metrics import question_shares
from recursivemas.runs.record import SampleRecord

INVALID = "[invalid]"
"""What stands for an answer where none was found, as in lm-eval's own filters."""
MODEL_SOURCE = "recursivemas"


def files_of(source: Source, folder: Path) -> tuple[Path, Path]:
    """The files of results and of samples, in the model's own folder, with the time of the run."""
    time = (source.ended or source.started).astimezone(UTC).replace(tzinfo=None)
    date = time.isoformat(timespec="microseconds").replace(":", "-")
    place = folder / re.sub(r'["<>:/|\\?*\[\]]+', "__", _model(source))
    return place / f"results_{date}.json", place / f"samples_{_task(source)}_{date}.jsonl"


def write_lm_eval(source: Source, folder: Path) -> None:
    """Write both files into that folder. Raises OSError where they cannot be written."""
    results, samples = files_of(source, folder)
    results.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(samples) as file:
        task_hash = _write_samples(source, file)
        with written_whole(results) as whole:
            facts = _results(source, task_hash)
            whole.write(to_bytes(json.dumps(facts, indent=2, ensure_ascii=False)))


def _write_samples(source: Source, file: IO[bytes]) -> str:
    """A line a question and grader; returns the hash of all of them.

    Of a run that is not in order yet, a question waits until all of its answers have come.
    """
    hashes = hashlib.sha256()
    shares = {
        grader: question_shares(source.run.outcomes, grader, source.run.metric)
        for grader in source.run.graders
    }
    for number, answers in enumerate(_by_question(source)):
        first = answers[0]
        doc = {"id": first.id, "question": first.question, "gold": first.gold}
        for grader in source.run.graders:
            value = shares[grader][first.id]
            line = _line(source, number, doc, grader, answers, value)
            hashes.update(f"{line['doc_hash']}{line['prompt_hash']}{line['target_hash']}".encode())
            file.write(to_bytes(json.dumps(line, ensure_ascii=False) + "\n"))
    return hashes.hexdigest()


def _by_question(source: Source) -> Iterator[list[SampleRecord]]:
    """Each question's answers, by rollout, as soon as all are there."""
    waiting: dict[str, list[SampleRecord]] = {}
    for sample in source.samples():
        answers = waiting.setdefault(sample.id, [])
        answers.append(sample)
        if len(answers) == source.rollouts[sample.id]:
            yield sorted(waiting.pop(sample.id), key=lambda answer: answer.rollout)


def _line(
    source: Source,
    number: int,
    doc: dict[str, str],
    grader: str,
    answers: list[SampleRecord],
    value: float,
) -> dict[str, Any]:
    """`SampleResult` of lm-eval's schema."""
    metric = _metric(source)
    read = [answer.verdicts[grader].answer for answer in answers]
    filtered = [INVALID if one is None else one for one in read]
    return {
        "doc_id": number,
        "doc": doc,
        "target": doc["gold"],
        "arguments": {"gen_args_0": {"arg_0": doc["question"], "arg_1": _generation(source)}},
        "resps": [[answer.text for answer in answers]],
        "filtered_resps": filtered if len(filtered) == 1 else [filtered],
        "filter": grader,
        "metrics": [metric],
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(doc["question"]),
        "target_hash": _hash(doc["gold"]),
        metric: value,
    }


def _results(source: Source, task_hash: str) -> dict[str, Any]:
    """`EvalResults` of lm-eval's schema, as far as a run knows it."""
    run, config, task, metric = source.run, source.run.config, _task(source), _metric(source)
    settings = run.settings
    figures: dict[str, Any] = {"name": task, "alias": task, "sample_len": len(source.rollouts)}
    for grader in run.graders:
        shares = list(question_shares(run.outcomes, grader, run.metric).values())
        figures[f"{metric},{grader}"] = run.score(grader)["value"]
        figures[f"{metric}_stderr,{grader}"] = stdev(shares) / sqrt(len(shares)) if len(shares) > 1 else "N/A"
    metrics = {metric: True}
    for grader, voted in votes_of(run).items():
        name = f"maj@{voted['k']}"
        metrics[name] = True
        figures |= {f"{name},{grader}": voted["value"], f"{name}_stderr,{grader}": "N/A"}
    model = _model(source)
    agents = ",".join(f"{role}={agent.get('repo_id')}" for role, agent in config["agents"].items())
    seconds = source.seconds
    return {
        "results": {task: figures},
        "group_subtasks": {task: []},
        "configs": {task: _task_config(source)},
        "versions": {task: config.get("versions", {}).get("recursivemas", "")},
        "n-shot": {task: 0},
        "higher_is_better": {task: metrics},
        "n-samples": {task: {"original": config["questions"]["number"], "effective": len(source.rollouts)}},
        "config": {
            "model": MODEL_SOURCE,
            "model_args": f"model={model}{',' if agents else ''}{agents}",
            "batch_size": str(settings["batch_size"]),
            "batch_sizes": [],
            "device": settings["device"],
            "use_cache": None,
            "limit": settings["num_samples"] if settings["num_samples"] > 0 else None,
            "bootstrap_iters": 0,
            "gen_kwargs": _generation(source),
            "random_seed": settings["seed"],
            # Not lm-eval's: what tells this file from one of its own.
            "exported_from": MODEL_SOURCE,
            "state": source.state,
            "settings": settings,
        },
        "git_hash": config.get("git_revision"),
        "date": source.started.timestamp(),
        "transformers_version": config.get("versions", {}).get("transformers"),
        "upper_git_hash": None,
        "task_hashes": {task: task_hash},
        "model_source": MODEL_SOURCE,
        "model_name": model,
        "model_name_sanitized": files_of(source, Path())[0].parent.name,
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": None if seconds is None else str(seconds),
    }


def _task_config(source: Source) -> dict[str, Any]:
    settings = source.run.settings
    return {
        "task": _task(source),
        "dataset_path": settings["dataset_path"] or settings["dataset"],
        "test_split": settings["dataset_split"],
        "output_type": "generate_until",
        "repeats": settings["num_rollouts"],
        "num_fewshot": 0,
        "generation_kwargs": _generation(source),
        "filter_list": [{"name": grader} for grader in source.run.graders],
        "metric_list": [{"metric": _metric(source), "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": source.run.config["questions"].get("sha256")},
    }


def _generation(source: Source) -> dict[str, Any]:
    """How the answer was sampled, in lm-eval's words."""
    settings, sampling = source.run.settings, source.run.config.get("sampling", {})
    greedy = sampling.get("greedy", settings["greedy"])
    return {
        "do_sample": not greedy,
        **{name: sampling[name] for name in ("temperature", "top_p", "top_k", "min_p") if name in sampling},
        "max_gen_toks": settings["max_new_tokens"],
        "until": [],
    }


def _metric(source: Source) -> str:
    """`acc`, as lm-eval calls it, or `pass@k`."""
    return "acc" if source.run.metric == "accuracy" else source.run.metric


def _task(source: Source) -> str:
    return re.sub(r"\W", "_", source.run.benchmark)


def _model(source: Source) -> str:
    return f"{MODEL_SOURCE}/{source.run.style}"


def _hash(text: str) -> str:
    return hashlib.sha256(to_bytes(text)).hexdigest()
