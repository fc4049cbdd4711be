"""What a run folder holds, read back: its record, its samples and its summary.

A folder may have been cut short, edited or damaged. What is not as a run leaves it is a UserError that names
the file, the place in it and what helps; nothing else comes out of here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from recursivemas.errors import UserError
from recursivemas.options import Option
from recursivemas.runs.record import Key, SampleRecord
from recursivemas.runs.shapes import (
    COUNT,
    FLAG,
    MAX_DEPTH,
    NUMBER,
    PLAIN,
    TEXT,
    TEXT_OR_NONE,
    Leaf,
    ListOf,
    MapOf,
    Record,
    Shape,
    is_shallow,
    misfit,
)
from recursivemas.settings import OPTIONS

CONFIG, SAMPLES, SUMMARY = "config.json", "samples.jsonl", "summary.json"
LATENTS, LENS = "latents", "lens"

ANOTHER_FOLDER = "give another --output_dir, or put back the file as the run wrote it"


def _setting(option: Option) -> Shape:
    """The shape of a setting's row in `config.json`."""
    least, words, kind = option.metadata.get("minimum"), option.metadata.get("words", ()), option.kind
    kinds = {kind} if kind == tuple[str, ...] else set(get_args(kind) or (kind,))

    def fits(value: Any) -> bool:
        if tuple[str, ...] in kinds:
            return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        if words and isinstance(value, str):
            return value in words
        if float in kinds and type(value) is int:
            value = float(value)
        return type(value) in kinds and (least is None or value >= least)

    name = " or ".join("null" if one is NoneType else getattr(one, "__name__", "list") for one in kinds)
    return Record({"value": Leaf(f"{name}{'' if least is None else f' from {least} on'}", fits)})


_DEFAULT_ROLLOUTS = OPTIONS["num_rollouts"].default
_SETTINGS = Record({}, {name: _setting(option) for name, option in OPTIONS.items()})
_AGENT = Record({"role": TEXT}, {"tools": ListOf(TEXT)})
_LINK = Record({"source": TEXT, "target": TEXT, "slot": TEXT, "feedback": FLAG})
_SETTING_OF_SAMPLING = Leaf(
    "a number, true, false or null", lambda value: value is None or type(value) in (bool, int, float)
)
_TOOLS = Record({"max_calls": COUNT})

CONFIG_SHAPE = Record(
    {
        "settings": MapOf(Record({"value": PLAIN, "origin": TEXT})),
        "style": Record({"name": TEXT, "agents": ListOf(_AGENT, least=1)}, {"links": ListOf(_LINK)}),
        "questions": Record({"number": COUNT}),
        "platform": TEXT,
        "accelerator": TEXT_OR_NONE,
        "agents": MapOf(MapOf(PLAIN)),
    },
    {
        "launches": ListOf(Record({"started": TEXT, "processes": COUNT, "seconds": NUMBER})),
        "sampling": MapOf(_SETTING_OF_SAMPLING),
        "versions": MapOf(TEXT),
    },
)
_SCORE = Record({}, {"majority_at": MapOf(NUMBER), "majority_at_interval_95": MapOf(ListOf(NUMBER, least=2))})
SUMMARY_SHAPE = Record({"headline": Record({"metric": TEXT, "grader": TEXT})}, {"metrics": MapOf(_SCORE)})


def read_config(path: Path) -> dict[str, Any]:
    """A run's `config.json`. Raises UserError when the folder holds no run, or a damaged one."""
    try:
        config = read_json(path / CONFIG, ANOTHER_FOLDER)
    except (FileNotFoundError, NotADirectoryError) as error:
        check_there(path)
        raise UserError(f"{path} holds no run: there is no {CONFIG} in it") from error
    wrong = misfit(config, CONFIG_SHAPE) or misfit(config["settings"], _SETTINGS, "settings")
    if not wrong and config.get("tools") is not None:
        wrong = misfit(config["tools"], _TOOLS, "tools") or misfit(config["tools"], MapOf(PLAIN), "tools")
    if wrong:
        raise UserError(
            f"{path / CONFIG} is not a record that this version can read: {wrong}. Was it written by another "
            f"version, or edited? {ANOTHER_FOLDER[0].upper()}{ANOTHER_FOLDER[1:]}"
        )
    return config


def check_there(path: Path) -> None:
    """Raise UserError where there is no such folder."""
    if not path.exists():
        raise UserError(f"there is no folder {path}; give that of a run (see --output_dir)")


def num_expected(config: Mapping[str, Any]) -> int:
    """How many samples a run with that `config.json` has in the end."""
    settings = config["settings"]
    rollouts = settings["num_rollouts"]["value"] if "num_rollouts" in settings else _DEFAULT_ROLLOUTS
    return max(config["questions"]["number"] * rollouts, 1)


def count_missing(path: Path) -> int:
    """How many samples a run lacks; raises what `read_config` and `iterate_samples` raise."""
    return num_expected(read_config(path)) - sum(1 for _ in iterate_samples(path))


def read_summary(path: Path) -> dict[str, Any] | None:
    """A run's `summary.json`, None where there is none yet. Raises UserError for a damaged one."""
    cure = f"--output_dir {path} --resume writes it again"
    try:
        summary = read_json(path / SUMMARY, cure)
    except FileNotFoundError:
        return None
    if wrong := misfit(summary, SUMMARY_SHAPE):
        raise UserError(f"{path / SUMMARY} is damaged ({wrong}); {cure}")
    return summary


def read_json(file: Path, cure: str) -> Any:
    """A JSON file's value. Raises UserError, with the cure, where it is none, and OSError."""
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}); {cure}") from error
    if not is_shallow(value):
        raise UserError(f"{file} is damaged (nested more than {MAX_DEPTH} deep); {cure}")
    return value


def iterate_samples(path: Path) -> Iterator[tuple[SampleRecord, int]]:
    """A run's samples in order, each with the bytes up to its end; raises what `iterate_file` raises."""
    return iterate_file(path / SAMPLES)


def iterate_file(
    file: Path, known: Collection[Key] = (), start: int = 0
) -> Iterator[tuple[SampleRecord, int]]:
    """A file's samples, each with the bytes up to its end, up to the first line that is not whole.

    That is what was being written when a run was killed or the power went. Those that are `known` stand
    before the byte `start`. Raises UserError for a line that is whole and yet no sample, and for one that
    repeats another.
    """
    seen, end = set(known), start
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(start)
        for number, line in enumerate(stream, start=1 + len(known)):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not line.endswith(b"\n"):
                return
            end += len(line)
            where, cure = f"line {number} of {file}", "delete it and the lines after it"
            sample = read_sample(value, where, cure)
            if sample.key in seen:
                raise UserError(
                    f"{where} repeats question {sample.id!r}, rollout {sample.rollout}. Go on with the run "
                    f"with --resume after you {cure}, or give another --output_dir"
                )
            seen.add(sample.key)
            yield sample, end


def read_sample(value: Any, where: str, cure: str) -> SampleRecord:
    """The sample that a JSON value is. UserError where it is none; `cure` is what to do before --resume."""
    try:
        return SampleRecord.from_json(value)
    except ValueError as error:
        raise UserError(
            f"{where} is no sample that this version can read: {error}. Was it edited, or written by another "
            f"version? Go on with the run with --resume after you {cure}, or give another --output_dir"
        ) from error


def read_samples(path: str | Path) -> list[SampleRecord]:
    """A run's samples in order, all in memory.

    Raises UserError where there is no such folder, and what `iterate_samples` raises.
    """
    check_there(Path(path))
    return [sample for sample, _ in iterate_samples(Path(path))]


def flatten(name: str, value: Any) -> dict[str, Any]:
    """The leaves of a value as read from JSON, by path: `tools.search.provider`, `style.agents.0.role`."""
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        value = {str(position): entry for position, entry in enumerate(value)}
    if not isinstance(value, dict) or not value:
        return {name: value}
    parts = (flatten(f"{name}.{key}", entry) for key, entry in value.items())
    return {path: leaf for part in parts for path, leaf in part.items()}
