"""What a training leaves on disk: links in the published layout, checkpoints to go on from, metrics.

    adapter.pt, adapter_config.json                                an inner link
    outer_12.pt ..., outerlink_config.json, outer_adapter_config.json    a style's outer links
    train_args.json       how links learn, what decides it beside that, and where rows and models came from
    metrics.jsonl         a line every so many steps
    checkpoint-N/         the links after N steps in the same layout, and what else is needed to go on
    best/                 the links that did best on held-out rows, with best.json

A checkpoint is written aside and then renamed, so one that is there is whole. Source: docs/protocol.md,
"Repositories", and docs/training.md, "Checkpoints".
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from recursivemas.errors import UserError, unreadable
from recursivemas.files.whole import check_writable, write_whole
from recursivemas.links import InnerLink, OuterLink, read_state_dict, save_link
from recursivemas.styles import LinkSpec, Style
from recursivemas.system import MASSystem
from recursivemas.training.identity import describe_difference
from recursivemas.training.settings import LearningSettings, OuterSettings

FORMAT = 1
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
STATE, ARGUMENTS, METRICS, BEST = "state.pt", "train_args.json", "metrics.jsonl", "best"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
SOURCE = "source"
FREE = {"log_every", "save_steps", "log_with", "gradient_checkpointing", SOURCE}
"""What a training may be resumed with other values of: it changes no link, or by rounding alone."""

SaveLinks = Callable[[Path], None]


def check_folder(path: Path, told: Mapping[str, Any], *, resume: bool) -> None:
    """Raise UserError for a folder that a training which is told this would not take.

    It is one that cannot be written, holds a training where `resume` is off, or one that was told otherwise.
    """
    check_writable(path, "save_dir")
    before = _read_arguments(path)
    if before is None:
        return
    if not resume:
        raise UserError(f"{path} holds a training; give another --save_dir, or --resume to go on")
    for name, now in json.loads(json.dumps(told)).items():
        if name in before and name not in FREE and before[name] != now:
            raise UserError(
                f"the training in {path} cannot go on: {describe_difference(name, before[name], now)}, or "
                "another --save_dir"
            )


def _read_arguments(path: Path) -> dict[str, Any] | None:
    """What a training in that folder was told, None where there is none."""
    try:
        found = json.loads((path / ARGUMENTS).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(unreadable(path / ARGUMENTS, error)) from error
    except ValueError as error:
        raise UserError(f"{path / ARGUMENTS} is damaged ({error}); take another --save_dir") from error
    return found


class TrainingFolder:
    """The folder of one training. Without a path nothing is kept."""

    def __init__(self, path: Path, save_links: SaveLinks, settings: LearningSettings) -> None:
        self.path = path
        self._save_links = save_links
        self._settings = settings
        self._told: dict[str, Any] | None = None

    def open(self, *, resume: bool, about: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        """Take the folder for a training, which is written to it with the first thing that comes of it.

        `about` is what decides the training beside its settings, `source` where its parts came from. Raises
        what `check_folder` does.
        """
        self._told = {**asdict(self._settings), **about, SOURCE: source}
        check_folder(self.path, self._told, resume=resume)
        checkpoint = newest_checkpoint(self.path)
        self._cut_metrics(0 if checkpoint is None else _number(checkpoint))

    def read_newest(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint, and its `folder`. Raises UserError where it is damaged."""
        checkpoint = newest_checkpoint(self.path)
        if checkpoint is None:
            return None
        try:
            state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
        except OSError as error:
            raise UserError(unreadable(checkpoint / STATE, error)) from error
        except Exception as error:  # damaged bytes make the reader fail in any way there is
            raise UserError(
                f"{checkpoint / STATE} is damaged; delete {checkpoint}, and --resume goes on from the "
                "checkpoint before it, or from the beginning"
            ) from error
        return {"folder": checkpoint, **state}

    def save_checkpoint(self, step: int, state: Mapping[str, Any]) -> None:
        """The links after so many steps, and the state to go on from."""
        self._save_whole(
            self.path / f"checkpoint-{step}", lambda folder: torch.save(dict(state), folder / STATE)
        )

    def save_best(self, scores: Mapping[str, Any]) -> None:
        self._save_whole(self.path / BEST, lambda folder: _write_json(folder / "best.json", scores))

    def save_links(self) -> None:
        """The links as they are, in the folder itself."""
        self._begin()
        self._save_links(self.path)

    def log(self, line: Mapping[str, Any]) -> None:
        self._begin()
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _begin(self) -> None:
        """Write down what the training was told, once: from then on the folder is taken."""
        if self._told is not None:
            self.path.mkdir(parents=True, exist_ok=True)
            _write_json(self.path / ARGUMENTS, self._told)
            self._told = None

    def _save_whole(self, place: Path, write: Callable[[Path], None]) -> None:
        self._begin()
        aside = place.with_name(f".{place.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        self._save_links(aside)
        write(aside)
        for file in aside.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)

    def _cut_metrics(self, step: int) -> None:
        """Drop the lines of steps that will be taken again."""
        file = self.path / METRICS
        if not file.exists():
            return
        kept = []
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except ValueError:  # cut short when the training was
                break
        file.write_text("".join(kept), encoding="utf-8")


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a training's folder that is whole; None where there is none."""
    found = [path for path in folder.glob("*") if CHECKPOINT.fullmatch(path.name)]
    return max((path for path in found if (path / STATE).is_file()), key=_number, default=None)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def _write_json(path: Path, value: Any) -> None:
    write_whole(path, f"{json.dumps(value, indent=2)}\n".encode())


# ---------------------------------------------------------------------------------------------------------
# The published layout


def save_inner(folder: Path, link: InnerLink) -> None:
    """An inner link as a folder that `--ckpt_override ROLE=FOLDER` takes."""
    save_link(link, folder / "adapter.pt")
    _write_json(folder / "adapter_config.json", {"adapter_type": link.variant})


def outer_filename(spec: LinkSpec) -> str:
    return f"{spec.key}.pt" if spec.key else f"{spec.source.title()}-{spec.target.title()}-Outerlink.pt"


def check_filenames(style: Style) -> None:
    """Raise UserError where a link's key is no file's name, or two links would be saved under one."""
    saved: dict[str, LinkSpec] = {}
    for link in style.links:
        name = outer_filename(link)
        if PLAIN_NAME.fullmatch(name) is None:
            raise UserError(
                f"the link {link} has the key {link.key!r}, which cannot be a file's name everywhere; use "
                "letters, digits, _, - and ."
            )
        other = saved.setdefault(name.casefold(), link)
        if other is not link:
            raise UserError(
                f"the links {other} and {link} would both be saved as {name}; give each a key of its own"
            )


def save_outer(folder: Path, system: MASSystem, settings: OuterSettings, tasks: Sequence[str]) -> None:
    """A style's outer links as a folder that `--ckpt_override outer=FOLDER` takes."""
    entries = []
    for spec in system.graph.links:
        link = system.outer_links[spec.source, spec.target]
        save_link(link, folder / outer_filename(spec))
        entries.append(
            {
                "legacy_key": spec.key,
                "filename": outer_filename(spec),
                "adapter_type": link.variant,
                "in_dim": link.source_size,
                "out_dim": link.target_size,
            }
        )
    manifest = {"format_version": FORMAT, "paradigm": system.family, "adapters": entries}
    _write_json(folder / "outerlink_config.json", manifest)
    _write_json(folder / "outer_adapter_config.json", _describe_outer(system, settings, tasks))


def _describe_outer(system: MASSystem, settings: OuterSettings, tasks: Sequence[str]) -> dict[str, Any]:
    variants = {
        str(spec): system.outer_links[spec.source, spec.target].variant for spec in system.graph.links
    }
    alike = set(variants.values())
    return {
        # What the settings say is not what loaded links are.
        "adapter_type": alike.pop() if len(alike) == 1 else settings.outer_adapter_type,
        "adapter_types": variants,
        "hidden_sizes": {role: agent.hidden_size for role, agent in system.agents.items()},
        "models": {role: agent.repo_id for role, agent in system.agents.items()},
        "num_recursive_rounds": settings.num_recursive_rounds,
        "supervise_final_only": settings.supervise_final_only,
        "non_last_loss_weight": settings.non_last_loss_weight,
        "messages": settings.messages,
        "tasks": list(tasks),
    }


def load_inner(folder: Path, link: InnerLink) -> None:
    """A checkpoint's weights into the link that is being trained, in its own dtype."""
    link.load_state_dict(read_state_dict(folder / "adapter.pt"))


def load_outer(folder: Path, links: Mapping[LinkSpec, OuterLink]) -> None:
    for spec, link in links.items():
        link.load_state_dict(read_state_dict(folder / outer_filename(spec)))
