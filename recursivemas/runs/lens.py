"""Messages in words that a run keeps: a file a question, beside its latents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from recursivemas.files.whole import write_whole
from recursivemas.recursion.trace import Lens
from recursivemas.runs.files import LENS, read_json
from recursivemas.runs.latents import file_name
from recursivemas.values import read_as


def save_lenses(path: Path, question_id: str, lenses: Mapping[str, Lens]) -> None:
    """Keep a question's messages in words by `r{round}/{source}->{target}`."""
    (path / LENS).mkdir(exist_ok=True)
    text = json.dumps({name: asdict(lens) for name, lens in lenses.items()}, separators=(",", ":"))
    write_whole(_file_of(path, question_id), text.encode())


def read_lenses(path: Path, question_id: str) -> dict[str, Lens]:
    """A question's messages in words, by name; empty where the run kept none.

    Raises UserError for a file that is damaged.
    """
    file = _file_of(path, question_id)
    cure = "delete it. It comes back when the run is run again"
    try:
        return read_as(dict[str, Lens], read_json(file, cure), str(file))
    except FileNotFoundError:
        return {}


def _file_of(path: Path, question_id: str) -> Path:
    return path / LENS / f"{file_name(question_id)}.json"
