"""What decides a training beside its settings, so that one that goes on is the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recursivemas.files.digests import digest
from recursivemas.output.redaction import redact_data
from recursivemas.system import MASSystem
from recursivemas.training.rows import TrainingRow
from recursivemas.training.settings import SourceSettings

NUM_PROCESSES, INNER_LINKS = "num_processes", "inner_links"


def describe_training(
    system: MASSystem,
    rows: Sequence[TrainingRow],
    held_out: Sequence[TrainingRow],
    *,
    num_processes: int,
    role: str | None = None,
) -> dict[str, Any]:
    """What decides a training's links; `role` is that of the inner link that learns, None for outer ones."""
    agents = system.agents
    return {
        "style": system.style,
        "role": role,
        "models": {name: agent.repo_id for name, agent in agents.items()},
        INNER_LINKS: {name: digest_of_weights(agent.inner_link) for name, agent in agents.items()}
        if role is None
        else {},
        "num_rows": len(rows),
        "num_held_out": len(held_out),
        "rows_sha256": _digest_of_rows([*rows, *held_out]),
        "dtypes": {name: str(agent.engine.dtype).removeprefix("torch.") for name, agent in agents.items()},
        "prompts": system.prompts.describe()["sha256"],
        NUM_PROCESSES: num_processes,
    }


def describe_source(source: SourceSettings) -> dict[str, Any]:
    """Where rows, models and links came from, and the SHA-256 of the rows' file; None for one on the hub."""
    told = {name: value for name, value in asdict(source).items() if name not in ("save_dir", "resume")}
    file = Path(str(source.dataset_name))
    told["dataset_sha256"] = digest(file) if file.is_file() else None
    described: dict[str, Any] = redact_data(told, urls=True)
    return described


def digest_of_weights(module: nn.Module) -> str:
    """The SHA-256 of a module's parameters: names, shapes, dtypes and bytes."""
    sha256 = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        sha256.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        sha256.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()


def _digest_of_rows(rows: Sequence[TrainingRow]) -> str:
    """Of all that rows say."""
    told = [[asdict(row.question), {role: asdict(one) for role, one in row.targets.items()}] for row in rows]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def describe_difference(name: str, before: Any, now: Any) -> str:
    """What differs between a training and one that would go on with it, and what to do about it."""
    if name == NUM_PROCESSES:
        return f"{before} processes shared the training, now {now}; start {before} again"
    if name == INNER_LINKS and isinstance(before, Mapping) and isinstance(now, Mapping):
        role = next(role for role in (*before, *now) if before.get(role) != now.get(role))
        return (
            f"the {role}'s inner link has other weights than the one that the outer links learnt with; give "
            f"the same one (--ckpt_override {role}=FOLDER)"
        )
    if name == "rows_sha256":
        return "the rows say something else than before; give the same ones"
    return f"{name} was {before!r}, now {now!r}; give the same value"
