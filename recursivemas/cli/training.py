"""`recursivemas train inner` and `train outer`: argv -> settings -> trained links.

The published command line's names are understood where they differ from ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recursivemas.cli.flags import Parser, argument, help_text
from recursivemas.errors import UserError
from recursivemas.options import iterate_options
from recursivemas.runs.ranks import current_rank
from recursivemas.styles import Style

if TYPE_CHECKING:
    from recursivemas.training import Trained
    from recursivemas.training.settings import LearningSettings

STYLES_OF_DESIGNS = {
    "sequential": "sequential_light",
    "hie": "mixture",
    "distill": "distillation",
    "deliberation": "deliberation",
}
ROLES = {
    "refiner": "critic",
    "hie_math_expert": "math",
    "hie_code_expert": "code",
    "hie_science_expert": "science",
    "hie_summarizer": "summarizer",
    "distill_expert": "expert",
    "distill_learner": "learner",
    "deliberation_reflector": "reflector",
    "deliberation_toolcaller": "toolcaller",
}
OTHER_NAMES: dict[str, tuple[str, Callable[[str], str]]] = {
    "style": ("--mas_design", lambda name: STYLES_OF_DESIGNS.get(name, name)),
    "role": ("--mas_role", str),  # its published names are read once the style is known
    "task": ("--mas_task", str),
}
NUMBERED_AGENTS = 4
NAMED_AGENTS = ("expert", "learner", "reflector", "toolcaller")
OUTER_KEYS = ("12", "23", "31", "1s", "2s", "3s", "s1", "s2", "s3", "el", "le", "rt", "tr")


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """One flag a setting, and the published names of those that have others."""
    from recursivemas.training.settings import SourceSettings

    for settings in (SourceSettings, _learning(kind)):
        for option in iterate_options(settings):
            other = OTHER_NAMES.get(option.name)
            names = [f"--{option.name}", *([other[0]] if other else [])]
            how = argument(option)
            if other and "type" in how:
                how["type"] = other[1]
            parser.add_argument(*names, default=argparse.SUPPRESS, help=help_text(option), **how)
    _add_published(parser, kind)


def _learning(kind: str) -> Any:
    from recursivemas.training.settings import InnerSettings, OuterSettings

    return InnerSettings if kind == "inner" else OuterSettings


def _add_published(parser: argparse.ArgumentParser, kind: str) -> None:
    """Published flags that name a thing in the flag, where ours say KEY=VALUE."""
    group = parser.add_argument_group("published names, for --models, --ckpt_override and --outer_types")
    if kind == "inner":
        group.add_argument("--model_name_or_path", action=_Keyed, key="", into="models")
        return
    agents = [f"agent{number}" for number in range(1, NUMBERED_AGENTS + 1)]
    for name in (*agents, *NAMED_AGENTS):
        group.add_argument(f"--{name}_model_name_or_path", action=_Keyed, key=name, into="models")
        group.add_argument(f"--{name}_inner_aligner_path", action=_Keyed, key=name, into="ckpt_override")
    for key in OUTER_KEYS:
        group.add_argument(f"--outer_{key}_type", action=_Keyed, key=f"outer_{key}", into="outer_types")


class _Keyed(argparse.Action):
    """Adds KEY=VALUE to another flag's values."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, key: str, into: str) -> None:
        super().__init__(option_strings, dest, default=argparse.SUPPRESS, metavar="TEXT")
        self.key, self.into = key, into

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.into, (*getattr(namespace, self.into, ()), f"{self.key}={values}"))


def run(arguments: Mapping[str, Any], kind: str) -> None:
    """Train, and print what came of it. Raises UserError for what cannot be done."""
    from recursivemas.training import read_training_rows
    from recursivemas.training.folder import check_folder
    from recursivemas.training.identity import NUM_PROCESSES, describe_source
    from recursivemas.training.load import load_for_training
    from recursivemas.training.metrics import check_tracker
    from recursivemas.training.processes import check_once, join_processes
    from recursivemas.training.settings import SourceSettings
    from recursivemas.training.train import train_inner, train_outer

    own = {spec.name for spec in fields(SourceSettings)}
    source = SourceSettings(**{name: value for name, value in arguments.items() if name in own})
    settings = _learning(kind)(**{name: value for name, value in arguments.items() if name not in own})
    if kind == "inner" and source.role is None:
        raise UserError("train inner trains one agent's link; give --role ROLE")
    if kind == "outer" and source.role is not None:
        raise UserError(f"role {source.role!r} is read by train inner alone; drop it")
    check_tracker(settings, Path(str(source.save_dir)))
    source, graph = _read_graph(source)
    current_rank().use_own_gpu(source.device)
    processes = join_processes()
    told = {**asdict(settings), NUM_PROCESSES: processes.num_processes, "role": source.role}
    check_once(lambda: check_folder(Path(str(source.save_dir)), told, resume=source.resume))
    rows = read_training_rows(
        graph,
        str(source.dataset_name),
        task=source.task,
        config=source.dataset_config,
        split=source.dataset_split,
        field_name=source.dataset_json_field,
    )
    rows = rows if source.num_samples == -1 else rows[: source.num_samples]
    keep: dict[str, Any] = {"save_dir": source.save_dir, "resume": source.resume, "show_progress": True}
    keep["source"] = describe_source(source)
    with memory_advice(settings), load_for_training(graph, source, settings) as system:
        if kind == "inner":
            trained = train_inner(system, str(source.role), rows, settings, **keep)
        else:
            trained = train_outer(system, rows, settings, **keep)
    if processes.is_main_process:
        _report(trained, str(source.save_dir))


@contextmanager
def memory_advice(settings: LearningSettings) -> Iterator[None]:
    """Out of memory is a UserError that says what of these settings to change."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        advice = []
        if settings.batch_size > 1:
            advice.append("a lower --batch_size (with more --gradient_accumulation_steps it learns the same)")
        advice.append("a lower --max_length")
        if not settings.gradient_checkpointing:
            advice.append("--gradient_checkpointing (also with --resume)")
        raise UserError(f"out of memory; give {', or '.join(advice)} ({error})") from error


def _report(trained: Trained, place: str) -> None:
    """Print what came of it."""
    if len(trained.skipped):
        print(f"left out: {trained.skipped.describe()}")
    if len(trained.cut):
        print(f"learnt from in part: {trained.cut.describe()}")
    if trained.best:
        print(
            "best on held-out rows: " + ", ".join(f"{name} {value:g}" for name, value in trained.best.items())
        )
    loss = f", loss {trained.losses[-1]:.4f}" if trained.losses else ""
    print(f"[result] {place}{loss}")


def _read_graph(source: Any) -> tuple[Any, Style]:
    """The source with the style's own name for the role, and the style with the models that were given."""
    from recursivemas.styles import load_style
    from recursivemas.training.settings import role_of

    graph = load_style(source.style)
    if source.role is not None and source.role not in graph.roles:
        source = replace(source, role=ROLES.get(source.role, source.role))
    given = {role_of(key, graph): value for key, value in source.pairs("models").items()}
    for role in given:
        graph.agent(role)
        if source.role not in (None, role):
            raise UserError(f"models names {role}, but only the {source.role} is loaded; drop it")
    agents = [replace(one, repo=given.get(one.role, one.repo)) for one in graph.agents]
    return source, replace(graph, agents=tuple(agents))


def main(kind: str, argv: Sequence[str]) -> dict[str, Any]:
    """What a doorway's command line says."""
    parser = Parser(prog=f"train_{kind}.py", description=f"Train {kind} links.")
    add_arguments(parser, kind)
    return parser.read(argv)
